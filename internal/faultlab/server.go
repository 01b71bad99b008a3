package faultlab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// A server is one of the ensemble. The laboratory's mutex guards it.
type server struct {
	lab   *Lab
	index int
	dir   string

	proc     *child.Process // the last one started
	paused   bool
	cut      bool
	diskFull bool
}

func (s *server) file(name string) string { return filepath.Join(s.dir, name) }
func (s *server) data() string            { return s.file("disk") }
func (s *server) filler() string          { return filepath.Join(s.data(), "filler") }

func (s *server) addr() string {
	return net.JoinHostPort(s.lab.serverAddr(s.index), "2181")
}

// newServer mounts the server's disk, and writes its configuration. In an
// election, servers repeat their votes twice a second: otherwise the pauses
// double, as those of shortenBackoff do.
func newServer(l *Lab, index int, c Config, dir string) (*server, error) {
	s := &server{lab: l, index: index, dir: dir}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return nil, err
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", c.DiskMB), "tmpfs", s.data())
	if err := runWithInput(mount, ""); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`dataDir=%s
clientPort=2181
tickTime=500
initLimit=10
syncLimit=4
minSessionTimeout=1000
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
preAllocSize=256
snapCount=20000
fastleader.maxNotificationInterval=500
`, s.data())
	for i := range c.Servers {
		config += fmt.Sprintf("server.%d=%s:2888:3888\n", i+1, l.serverAddr(i))
	}
	config += c.ServerConfig + "\n"
	return s, errors.Join(
		os.WriteFile(s.file("zoo.cfg"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(s.data(), "myid"), fmt.Appendln(nil, index+1), 0o600))
}

func (s *server) unmount() error { return runWithInput(exec.Command("umount", s.data()), "") }

func (s *server) running() bool {
	if s.proc == nil {
		return false
	}
	select {
	case <-s.proc.Done():
		return false
	default:
		return true
	}
}

// isSilent reports whether it is known that the server answers nobody.
func (s *server) isSilent() bool { return s.paused || s.cut || !s.running() }

// start starts the process unless it runs. It doesn't wait until it serves.
func (s *server) start() error {
	if s.running() {
		return nil
	}
	java, err := zktest.Java(s.file("zoo.cfg"))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := enterNet(s.lab.serverNet(s.index), java.Path, java.Args[1:]...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	s.proc, err = child.Start(cmd)
	return err
}

func (s *server) kill() {
	s.paused = false
	if s.running() {
		s.proc.Kill()
	}
}

// fill leaves no byte free on the server's disk.
func (s *server) fill() error {
	s.diskFull = true
	f, err := os.OpenFile(s.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if n, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				return err
			}
			if n == 0 {
				size /= 4
			}
		}
	}
	return nil
}

// logTail returns the last lines of the server's log.
func (s *server) logTail() string {
	text, err := os.ReadFile(s.file("log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
