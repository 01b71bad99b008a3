package faultlab

import (
	"fmt"
	"os/exec"
	"strings"
)

// The names of network namespaces, and below those of the switch's ports.
func (l *Lab) switchNet() string       { return fmt.Sprintf("lab%d-switch", l.number) }
func (l *Lab) serverNet(i int) string  { return fmt.Sprintf("lab%d-server%d", l.number, i) }
func (l *Lab) clientNet(c int) string  { return fmt.Sprintf("lab%d-client%d", l.number, c) }
func (l *Lab) observerLink() string    { return fmt.Sprintf("lab%d", l.number) }
func serverPort(i int) string          { return fmt.Sprintf("server%d", i) }
func clientPort(c int) string          { return fmt.Sprintf("client%d", c) }
func (l *Lab) serverAddr(i int) string { return fmt.Sprintf("10.%d.0.%d", l.number, i+1) }
func (l *Lab) clientAddr(c int) string { return fmt.Sprintf("10.%d.1.%d", l.number, c+1) }
func (l *Lab) observerAddr() string    { return fmt.Sprintf("10.%d.2.1", l.number) }
func (l *Lab) serverAddresses() string { return fmt.Sprintf("10.%d.0.0/24", l.number) }
func enterNet(net, name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + net, "--", name}, args...)...)
}

// createNetwork makes the switch and connects all hosts to it.
func (l *Lab) createNetwork(servers, clients int) error {
	var add, connect, ports strings.Builder
	own := map[string]string{} // the commands in each host's namespace
	host := func(net, addr, port string) {
		fmt.Fprintf(&add, "netns add %s\n", net)
		fmt.Fprintf(&connect, "link add eth0 netns %s type veth peer name %s netns %s\n", net, port, l.switchNet())
		fmt.Fprintf(&ports, "link set %s master switch up\n", port)
		own[net] = fmt.Sprintf("link set lo up\naddr add %s/16 dev eth0\nlink set eth0 up\n", addr)
	}
	fmt.Fprintf(&add, "netns add %s\n", l.switchNet())
	for i := range servers {
		host(l.serverNet(i), l.serverAddr(i), serverPort(i))
	}
	for c := range clients {
		host(l.clientNet(c), l.clientAddr(c), clientPort(c))
	}
	fmt.Fprintf(&connect, "link add %s type veth peer name observer netns %s\n", l.observerLink(), l.switchNet())
	fmt.Fprintf(&connect, "addr add %s/16 dev %s\nlink set %[2]s up\n", l.observerAddr(), l.observerLink())

	if err := ip("", add.String()+connect.String()); err != nil {
		return err
	}
	if err := ip(l.switchNet(), "link add switch type bridge\nlink set switch up\nlink set observer master switch up\n"+ports.String()); err != nil {
		return err
	}
	for net, commands := range own {
		if err := ip(net, commands); err != nil {
			return err
		}
	}
	for i := range servers {
		if err := l.shortenBackoff(i); err != nil {
			return err
		}
	}
	return nil
}

// shortenBackoff has the server's kernel send again each second what was not
// acknowledged. By default the pauses double, and a server that was cut off for
// 15 s takes part in an election only 12 s later. Kernels before 6.15 don't have
// this setting.
func (l *Lab) shortenBackoff(i int) error {
	const key = "/proc/sys/net/ipv4/tcp_rto_max_ms"
	return runWithInput(enterNet(l.serverNet(i), "sh", "-c", "test ! -e "+key+" || echo 1000 >"+key), "")
}

// removeNetwork removes everything; the links end with the namespaces.
func (l *Lab) removeNetwork() {
	var del strings.Builder
	fmt.Fprintf(&del, "netns del %s\n", l.switchNet())
	for _, s := range l.servers {
		fmt.Fprintf(&del, "netns del %s\n", l.serverNet(s.index))
	}
	for c := range l.clients {
		fmt.Fprintf(&del, "netns del %s\n", l.clientNet(c))
	}
	if err := ip("", del.String()); err != nil {
		l.t.Errorf("remove the laboratory's networks: %v", err)
	}
}

// ip runs commands of ip(8), one a line, in the network namespace net.
func ip(net, commands string) error {
	args := []string{"-batch", "-"}
	if net != "" {
		args = append([]string{"-n", net}, args...)
	}
	return runWithInput(exec.Command("ip", args...), commands)
}

// runWithInput runs cmd. The error has its output.
func runWithInput(cmd *exec.Cmd, input string) error {
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// setPort sets a port of the switch up or down.
func (l *Lab) setPort(port string, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return ip(l.switchNet(), fmt.Sprintf("link set %s %s\n", port, state))
}

// filterReplies has the client's namespace drop what servers send to it, or let
// it pass.
func (l *Lab) filterReplies(client int, drop bool) error {
	rules := "add table ip lab\ndelete table ip lab\n" // no error if there is none
	if drop {
		rules += "add table ip lab\nadd chain ip lab in { type filter hook input priority 0; }\n" +
			"add rule ip lab in ip saddr " + l.serverAddresses() + " drop\n"
	}
	return runWithInput(enterNet(l.clientNet(client), "nft", "-f", "-"), rules)
}
