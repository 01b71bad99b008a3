package main

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

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// A server is a ZooKeeper server of its own, as it runs in production: Java's
// own choice of collector and compiler, ticks of 2 s, every commit synced to
// disk. (The tests' server is tuned to start quickly.)
type server struct {
	addr string
	dir  string
	proc *child.Process
}

// startServer starts a server that keeps its data in dir, with further lines
// of configuration.
func startServer(dir, extra string) (*server, error) {
	const jar = "/usr/share/java/zookeeper.jar"
	java, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat(jar)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install zookeeper", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	host, port, _ := net.SplitHostPort(addr)
	l.Close()
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPortAddress=%s\nclientPort=%s\ntickTime=2000\nmaxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n%s",
		filepath.Join(dir, "data"), host, port, extra)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(java, "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
		"-cp", jar+":/usr/share/java/slf4j-simple.jar", "org.apache.zookeeper.server.quorum.QuorumPeerMain", config)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	proc, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &server{addr, dir, proc}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		answer, err := zktest.Ask(addr, "srvr", time.Second)
		if err == nil && strings.Contains(answer, "Mode: standalone") {
			return s, nil
		}
		if time.Now().After(deadline) {
			proc.Kill()
			return nil, fmt.Errorf("ZooKeeper does not answer: %q, %w", answer, err)
		}
		select {
		case <-proc.Done():
			return nil, errors.Join(errors.New("ZooKeeper ended"), proc.Err())
		default:
		}
	}
}

// version returns what the server says it is, like "3.8.0".
func (s *server) version() (string, error) {
	answer, err := zktest.Ask(s.addr, "srvr", 10*time.Second)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(answer, "\n")
	version, _, _ := strings.Cut(strings.TrimPrefix(line, "Zookeeper version: "), "-")
	return version, nil
}

// cpu returns the processor time that the server has used, in seconds: all of
// it, and that of the busier of the two threads that every request passes, one
// after the other (PrepRequestProcessor and SyncRequestProcessor).
func (s *server) cpu() (total, pipeline float64, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.proc.Pid()))
	if err != nil || len(tasks) == 0 {
		return 0, 0, fmt.Errorf("the server's threads: %w", errors.Join(err, os.ErrNotExist))
	}
	for _, task := range tasks {
		used, err := os.ReadFile(task + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // this thread has ended
		}
		if err != nil {
			return 0, 0, err
		}
		first, _, _ := strings.Cut(string(used), " ")
		nanoseconds, err := strconv.ParseFloat(first, 64)
		if err != nil {
			return 0, 0, err
		}
		total += nanoseconds / 1e9
		name, _ := os.ReadFile(task + "/comm")
		if strings.HasPrefix(string(name), "SyncThread") || strings.HasPrefix(string(name), "ProcessThread") {
			pipeline = max(pipeline, nanoseconds/1e9)
		}
	}
	if pipeline == 0 {
		return 0, 0, errors.New("the server has no thread SyncThread or ProcessThread")
	}
	return total, pipeline, nil
}
