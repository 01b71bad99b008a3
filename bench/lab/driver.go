package lab

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

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest/child"
)

var (
	//go:embed kazoo.py
	kazooScript string
	//go:embed kazoo_once.py
	kazooOnce string
	//go:embed Curator.java
	curatorSource []byte
)

// answerLimit bounds the wait for one answer: kazoo itself waits without end.
const answerLimit = 5 * time.Minute

// A Driver is a process that carries out orders, one line each, and times
// itself, so that pipes are in no figure.
type Driver struct {
	name    string
	proc    *child.Process
	orders  io.WriteCloser
	answers *bufio.Scanner
}

// StartKazoo starts a process with kazoo.
func StartKazoo(addr string) (*Driver, error) {
	python, err := testpair.Python()
	if err != nil {
		return nil, err
	}
	return startDriver("kazoo", exec.Command(python, "-I", "-c", kazooScript, addr))
}

// KazooOnce returns the command of one attempt at a lease by kazoo.
func KazooOnce(addr, path, holder string) ([]string, error) {
	python, err := testpair.Python()
	return []string{python, "-I", "-c", kazooOnce, addr, path, holder}, err
}

// curatorJars are what Curator needs, of Debian's packages.
const curatorJars = `curator-recipes curator-framework curator-client guava zookeeper zookeeper-jute
	slf4j-api slf4j-nop netty-common netty-buffer netty-transport netty-handler netty-codec netty-resolver
	netty-transport-native-epoll netty-transport-native-unix-common jackson-databind jackson-core jackson-annotations`

// StartCurator starts a process with Curator. Its source is put into dir.
func StartCurator(dir, addr string) (*Driver, error) {
	source := filepath.Join(dir, "Curator.java")
	if err := os.WriteFile(source, curatorSource, 0o600); err != nil {
		return nil, err
	}
	var classes []string
	for _, jar := range strings.Fields(curatorJars) {
		classes = append(classes, "/usr/share/java/"+jar+".jar")
	}
	return startDriver("Curator", exec.Command("java", "-Xmx4g", "-cp", strings.Join(classes, ":"), source, addr))
}

func startDriver(name string, cmd *exec.Cmd) (*Driver, error) {
	d := &Driver{name: name}
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	answers, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	d.orders, d.answers = orders, bufio.NewScanner(answers)
	if d.proc, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if _, err := d.answer(); err != nil {
		d.Stop()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return d, nil
}

// Ask gives an order, waits until it is carried out, and returns the numbers
// of the answer.
func (d *Driver) Ask(order ...any) ([]int64, error) {
	_, err := fmt.Fprintln(d.orders, order...)
	var numbers []int64
	if err == nil {
		numbers, err = d.answer()
	}
	if err != nil {
		return nil, fmt.Errorf("%s at %q: %w", d.name, order, err)
	}
	return numbers, nil
}

func (d *Driver) answer() (numbers []int64, err error) {
	timer := time.AfterFunc(answerLimit, d.proc.Kill)
	defer timer.Stop()
	if !d.answers.Scan() {
		return nil, errors.Join(errors.New("it ended, or took too long"), d.answers.Err())
	}
	text, ok := strings.CutPrefix(d.answers.Text(), "ok")
	if !ok {
		return nil, errors.New(d.answers.Text())
	}
	for _, field := range strings.Fields(text) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("answer %q: %w", text, err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// Took gives an order whose answer is how long it took and whether it was
// granted, which must be as expected.
func (d *Driver) Took(granted bool, order ...any) (time.Duration, error) {
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
func (d *Driver) Stop() { d.proc.Kill() }
