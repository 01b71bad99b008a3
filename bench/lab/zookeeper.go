package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest"
)

// A ZooKeeper is an ensemble.
type ZooKeeper struct {
	// Addr is the address for all clients: of a follower, where there is one.
	// All use the same server so that none has a shorter way than another.
	Addr string

	addrs   []string
	servers []server
}

// StartZooKeeper starts an ensemble of n servers with their data in dir, and
// waits until it serves. extra is further lines of zoo.cfg. The server is that
// of the pair that is tested, but runs on Java's own choice of collector and
// compiler: the tests' server is tuned to start quickly.
func StartZooKeeper(dir string, n int, extra string) (z *ZooKeeper, err error) {
	z = &ZooKeeper{}
	defer func() {
		if err != nil {
			z.Stop()
			err = fmt.Errorf("start %d ZooKeeper servers: %w", n, err)
		}
	}()
	if z.addrs, err = freeAddrs(3 * n); err != nil {
		return z, err
	}
	for i := range n {
		if n == 1 {
			break
		}
		_, election, _ := net.SplitHostPort(z.addrs[2*n+i])
		extra += fmt.Sprintf("server.%d=%s:%s\n", i+1, z.addrs[n+i], election)
	}
	z.addrs = z.addrs[:n]
	for i := range n {
		s, err := startZooKeeper(filepath.Join(dir, fmt.Sprintf("zookeeper-%d", i+1)), i+1, z.addrs[i], extra)
		if err != nil {
			return z, err
		}
		z.servers = append(z.servers, s)
	}
	for i, addr := range z.addrs {
		var mode string
		err := z.servers[i].await(func() (err error) {
			mode, _, _, err = ask(addr, 500*time.Millisecond) // asked too early it may never answer
			return err
		})
		if err != nil {
			return z, err
		}
		if z.Addr == "" || mode == "follower" {
			z.Addr = addr
		}
	}
	return z, nil
}

func startZooKeeper(dir string, id int, addr, extra string) (server, error) {
	classes, err := testpair.ClassPath()
	if err != nil {
		return server{}, err
	}
	host, port, _ := net.SplitHostPort(addr)
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
%s`, dir, host, port, extra)
	file := filepath.Join(dir, "zoo.cfg")
	err = errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(file, []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "myid"), fmt.Appendln(nil, id), 0o600))
	if err != nil {
		return server{}, err
	}
	return start(dir, exec.Command("java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", classes, "org.apache.zookeeper.server.quorum.QuorumPeerMain", file))
}

// Stop ends the servers.
func (z *ZooKeeper) Stop() {
	for _, s := range z.servers {
		s.Kill()
	}
}

// Pid is the process id of the first server.
func (z *ZooKeeper) Pid() int { return z.servers[0].Pid() }

// Cost returns what f costs the ensemble: packets from clients, and committed
// transactions: writes, failed ones too, and sessions' begins and ends.
func (z *ZooKeeper) Cost(f func() error) (requests, commits int64, err error) {
	return Cost(z.addrs, f)
}

// Cost is that of an ensemble at known addresses.
func Cost(addrs []string, f func() error) (requests, commits int64, err error) {
	before, zxid, err := count(addrs)
	if err == nil {
		err = f()
	}
	if err != nil {
		return 0, 0, err
	}
	after, zxidAfter, err := count(addrs)
	return after - before - int64(len(addrs)), zxidAfter - zxid, err // a question is a packet
}

func count(addrs []string) (received, zxid int64, err error) {
	for _, addr := range addrs {
		_, r, z, err := ask(addr, 20*time.Second)
		if err != nil {
			return 0, 0, fmt.Errorf("read the counters of the ZooKeeper server at %s: %w", addr, err)
		}
		received, zxid = received+r, max(zxid, z)
	}
	return received, zxid, nil
}

// ask asks a server for its role, the number of packets it received, and its
// last transaction. It is an error if it does not serve yet.
func ask(addr string, within time.Duration) (mode string, received, zxid int64, err error) {
	answer, err := zktest.Ask(addr, "srvr", within)
	if err != nil {
		return "", 0, 0, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		fields[key] = value
	}
	received, err = strconv.ParseInt(fields["Received"], 10, 64)
	zxid, err2 := strconv.ParseInt(fields["Zxid"], 0, 64)
	if err := errors.Join(err, err2); err != nil || fields["Mode"] == "" {
		return "", 0, 0, fmt.Errorf("unexpected response to srvr: %q, %w", answer, err)
	}
	return fields["Mode"], received, zxid, nil
}

// version returns what the servers say they are, like "3.8.0".
func (z *ZooKeeper) version() (string, error) {
	answer, err := zktest.Ask(z.Addr, "srvr", 20*time.Second)
	return match([]byte(answer), `version: ([0-9.]+)`), err
}

// Connect opens a session of go-zookeeper's, the client library in wide use.
func Connect(addr string) (*zk.Conn, error) {
	conn, events, err := zk.Connect([]string{addr}, 2*time.Minute,
		zk.WithDialer(net.DialTimeout), zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	limit := time.After(startLimit)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return conn, nil
			}
		case <-limit:
			conn.Close()
			return nil, fmt.Errorf("no session with %s in %v", addr, startLimit)
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
