// Package peer has those that are measured: Leasehold, the bare requests below
// it, and its peers kazoo, Curator and etcd. Whatever runs in a process of its
// own times itself there, so that pipes are in no figure.
package peer

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold/bench/ensemble"
	"leasehold.example/leasehold/internal/zktest/child"
)

var (
	//go:embed kazoo.py
	kazooScript []byte
	//go:embed kazoo_once.py
	kazooOnce []byte
	//go:embed Curator.java
	curatorSource []byte
)

// Python is Debian's own: another one on the PATH would not see python3-kazoo.
const Python = "/usr/bin/python3"

// patience bounds the wait for one answer: kazoo itself waits without end.
const patience = 5 * time.Minute

// A Driver is a process that carries out orders, one line each.
type Driver struct {
	name    string
	proc    *child.Process
	orders  io.WriteCloser
	answers chan string // closed when the process has ended
	log     string
}

// StartKazoo starts a process with kazoo. Its files are put into dir.
func StartKazoo(dir, addr string) (*Driver, error) {
	script := filepath.Join(dir, "kazoo.py")
	if err := os.WriteFile(script, kazooScript, 0o600); err != nil {
		return nil, err
	}
	return startDriver("kazoo", dir, exec.Command(Python, "-I", script, addr))
}

// WriteKazooOnce writes the script that makes one attempt and ends, and
// returns its name.
func WriteKazooOnce(dir string) (string, error) {
	script := filepath.Join(dir, "kazoo_once.py")
	return script, os.WriteFile(script, kazooOnce, 0o600)
}

// curatorJars are what Curator needs, of Debian's packages.
var curatorJars = strings.Fields(`curator-recipes curator-framework curator-client guava zookeeper zookeeper-jute
	slf4j-api slf4j-nop netty-common netty-buffer netty-transport netty-handler netty-codec netty-resolver
	netty-transport-native-epoll netty-transport-native-unix-common jackson-databind jackson-core jackson-annotations`)

// StartCurator starts a process with Curator. Its files are put into dir.
func StartCurator(dir, addr string) (*Driver, error) {
	source := filepath.Join(dir, "Curator.java")
	if err := os.WriteFile(source, curatorSource, 0o600); err != nil {
		return nil, err
	}
	jars := make([]string, len(curatorJars))
	for i, jar := range curatorJars {
		jars[i] = ensemble.Jars + jar + ".jar"
	}
	return startDriver("Curator", dir, exec.Command("java", "-Xmx4g", "-cp", strings.Join(jars, ":"), source, addr))
}

func startDriver(name, dir string, cmd *exec.Cmd) (*Driver, error) {
	d := &Driver{name: name, answers: make(chan string), log: filepath.Join(dir, name+".log")}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if d.orders, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, stdout := io.Pipe() // not StdoutPipe, which Wait closes too early
	cmd.Stdout, cmd.Stderr = stdout, log
	if d.proc, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		<-d.proc.Done()
		stdout.Close()
	}()
	go func() {
		defer close(d.answers)
		lines := bufio.NewScanner(answers)
		for lines.Scan() {
			d.answers <- lines.Text()
		}
	}()
	if _, err := d.answer(); err != nil {
		d.Stop()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return d, nil
}

// Ask gives an order, waits until it is carried out, and returns the numbers
// of the answer.
func (d *Driver) Ask(order ...any) ([]int64, error) {
	if _, err := fmt.Fprintln(d.orders, order...); err != nil {
		return nil, fmt.Errorf("ask %s for %q: %w", d.name, order, err)
	}
	numbers, err := d.answer()
	if err != nil {
		return nil, fmt.Errorf("%s at %q: %w", d.name, order, err)
	}
	return numbers, nil
}

func (d *Driver) answer() ([]int64, error) {
	var line string
	var ok bool
	select {
	case line, ok = <-d.answers:
	case <-time.After(patience):
		d.proc.Kill() // its next answer would be taken for another's
		return nil, fmt.Errorf("no answer in %v", patience)
	}
	if !ok {
		text, err := os.ReadFile(d.log)
		return nil, errors.Join(fmt.Errorf("it ended (%v): %s", d.proc.Err(), text), err)
	}
	text, ok := strings.CutPrefix(line, "ok")
	if !ok {
		return nil, errors.New(line)
	}
	var numbers []int64
	for _, field := range strings.Fields(text) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("answer %q: %w", line, err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// Timed gives an order whose answer is how long it took and whether it was
// granted, which must be as expected.
func (d *Driver) Timed(granted bool, order ...any) (time.Duration, error) {
	answer, err := d.Ask(order...)
	if err != nil {
		return 0, err
	}
	if len(answer) != 2 || (answer[1] == 1) != granted {
		return 0, fmt.Errorf("%s at %q: got %v, want granted: %v", d.name, order, answer, granted)
	}
	return time.Duration(answer[0]), nil
}

// Stop ends the process. Its sessions stay until the servers end them.
func (d *Driver) Stop() {
	d.orders.Close()
	for {
		select {
		case _, ok := <-d.answers:
			if !ok {
				<-d.proc.Done()
				return
			}
		case <-time.After(15 * time.Second):
			d.proc.Kill()
		}
	}
}
