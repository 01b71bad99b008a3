// Package ensemble starts the servers that are measured: ZooKeeper's and
// etcd's, one or three of them, each with its data on the disk of the folder
// it is given. They run as they do by default, with every commit synced, and
// none outlives the program that started it.
package ensemble

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// startLimit bounds the time until servers serve.
const startLimit = 60 * time.Second

// Jars is where Debian keeps ZooKeeper and what it needs.
const Jars = "/usr/share/java/"

// A ZooKeeper is an ensemble.
type ZooKeeper struct {
	addrs  []string
	procs  []*child.Process
	client string
	asked  int64 // questions to each server, which counts them as packets
}

// StartZooKeeper starts an ensemble of n servers with their data in dir, and
// waits until it serves.
func StartZooKeeper(dir string, n int) (*ZooKeeper, error) {
	z := &ZooKeeper{}
	var quorum strings.Builder
	for i := range n {
		ports, err := freePorts(3)
		if err != nil {
			return nil, err
		}
		z.addrs = append(z.addrs, local(ports[0]))
		if n > 1 {
			fmt.Fprintf(&quorum, "server.%d=127.0.0.1:%d:%d\n", i+1, ports[1], ports[2])
		}
	}
	for i := range n {
		if err := z.start(filepath.Join(dir, fmt.Sprintf("zookeeper-%d", i+1)), i, quorum.String()); err != nil {
			z.Stop()
			return nil, err
		}
	}
	if err := z.await(); err != nil {
		z.Stop()
		return nil, fmt.Errorf("start %d ZooKeeper servers in %s: %w", n, dir, err)
	}
	return z, nil
}

func (z *ZooKeeper) start(dir string, i int, quorum string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(z.addrs[i])
	config := fmt.Sprintf(`dataDir=%s
clientPortAddress=%s
clientPort=%s
tickTime=2000
initLimit=10
syncLimit=5
maxSessionTimeout=120000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr
%s`, dir, host, port, quorum)
	file := filepath.Join(dir, "zoo.cfg")
	err := errors.Join(
		os.WriteFile(file, []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "myid"), fmt.Appendln(nil, i+1), 0o600))
	if err != nil {
		return err
	}
	proc, err := run(dir, exec.Command("java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", Jars+"zookeeper.jar:"+Jars+"slf4j-simple.jar",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", file))
	if err != nil {
		return err
	}
	z.procs = append(z.procs, proc)
	return nil
}

// run starts cmd with its output in dir/log.
func run(dir string, cmd *exec.Cmd) (*child.Process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	return child.Start(cmd)
}

// await waits until every server serves, and chooses the one for clients.
func (z *ZooKeeper) await() error {
	deadline := time.Now().Add(startLimit)
	for i, addr := range z.addrs {
		for {
			s, err := ask(addr, 500*time.Millisecond) // asked too early it may never answer
			if err == nil {
				if z.client == "" || s.mode == "follower" {
					z.client = addr
				}
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("server %d does not serve after %v: %w", i+1, startLimit, err)
			}
			select {
			case <-z.procs[i].Done():
				return fmt.Errorf("server %d ended: %v", i+1, z.procs[i].Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// Addr is the address for all clients: of a follower, where there is one. They
// all use the same server so that none has a shorter way than another.
func (z *ZooKeeper) Addr() string { return z.client }

// Stop ends the servers.
func (z *ZooKeeper) Stop() {
	for _, p := range z.procs {
		p.Kill()
	}
}

// Counters are what the servers counted. The difference of two readings is the
// cost of what happened in between.
type Counters struct {
	Requests int64 // packets from clients
	Commits  int64 // transactions: writes, failed ones too, and sessions' begins and ends
}

// Minus returns the cost since before.
func (c Counters) Minus(before Counters) Counters {
	return Counters{Requests: c.Requests - before.Requests, Commits: c.Commits - before.Commits}
}

// Counters reads the servers' counters.
func (z *ZooKeeper) Counters() (Counters, error) {
	var c Counters
	z.asked++
	for _, addr := range z.addrs {
		s, err := ask(addr, 20*time.Second)
		if err != nil {
			return Counters{}, fmt.Errorf("read the counters of the ZooKeeper server at %s: %w", addr, err)
		}
		c.Requests += s.received - z.asked
		c.Commits = max(c.Commits, s.zxid)
	}
	return c, nil
}

type serverState struct {
	mode           string
	received, zxid int64
}

// ask asks a server that serves for its state.
func ask(addr string, within time.Duration) (serverState, error) {
	answer, err := zktest.Ask(addr, "srvr", within)
	if err != nil {
		return serverState{}, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		fields[key] = value
	}
	s := serverState{mode: fields["Mode"]}
	if s.mode == "" {
		return s, fmt.Errorf("it does not serve yet: %q", answer)
	}
	if s.received, err = strconv.ParseInt(fields["Received"], 10, 64); err != nil {
		return s, fmt.Errorf("packets received in %q: %w", answer, err)
	}
	if s.zxid, err = strconv.ParseInt(fields["Zxid"], 0, 64); err != nil {
		return s, fmt.Errorf("zxid in %q: %w", answer, err)
	}
	return s, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts finds loopback ports below those that the kernel gives to outgoing
// connections.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range 1000 {
		port := 20_000 + rand.IntN(12_000)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue
		}
		defer l.Close() // only once all are found, so that they differ
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free port from 20000 to 31999")
}
