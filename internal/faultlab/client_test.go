package faultlab_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// clientHosts, set in the environment, makes the test binary a client of
// these servers that carries out its standard input's lines.
const clientHosts = "LEASEHOLD_FAULTLAB_CLIENT"

func TestMain(m *testing.M) {
	if hosts := os.Getenv(clientHosts); hosts != "" {
		runClient(strings.Split(hosts, ","))
		return
	}
	if os.Getenv(inner) == "" && os.Getenv("FAULTS") != "off" && !faultlab.Inside() {
		if err := checkExitCode(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	faultlab.Main(m)
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// runClient answers each line with one line.
func runClient(hosts []string) {
	var conn *zk.Conn
	connect := func() {
		var err error
		conn, _, err = zk.Connect(hosts, 4*time.Second, zk.WithDialer(faultlab.Dial), zk.WithLogger(silent{}), zk.WithLogInfo(false))
		if err != nil {
			panic(err)
		}
	}
	connect()
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		answer, err := "done", error(nil)
		switch words := strings.Fields(input.Text()); words[0] {
		case "through": // that server, from now on
			for answer = ""; answer != words[1]; answer = conn.Server() {
				conn.Close()
				connect()
				_, _, err = conn.Exists("/")
			}
		case "server":
			answer = conn.Server()
		case "set": // the path to the data
			_, err = conn.Set(words[1], []byte(words[2]), -1)
		case "ruok": // to the address
			answer, err = zktest.Ask(words[1], "ruok", 500*time.Millisecond)
		}
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Println(answer)
	}
}

// A client is such a process.
type client struct {
	t       *testing.T
	proc    *child.Process
	input   io.Writer
	answers chan string
}

func startClient(t *testing.T, l *faultlab.Lab, namespace int) *client {
	t.Helper()
	cmd := l.Command(namespace, os.Args[0])
	cmd.Env = append(os.Environ(), clientHosts+"="+l.Hosts())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	cmd.Stdout = write
	c := &client{t: t, input: stdin, answers: make(chan string, 100)}
	if c.proc, err = child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.proc.Kill)
	go func() {
		for lines := bufio.NewScanner(read); lines.Scan(); {
			c.answers <- lines.Text()
		}
	}()
	return c
}

// send has the client do something; its answer is to be awaited.
func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.input, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// answer waits for the next answer.
func (c *client) answer() string {
	c.t.Helper()
	select {
	case a := <-c.answers:
		return a
	case <-time.After(20 * time.Second):
		c.t.Fatal("no answer from the client in 20 s")
		panic("unreachable")
	}
}

func (c *client) ask(line string) string {
	c.t.Helper()
	c.send(line)
	return c.answer()
}

// insist asks until it is done, and returns how long that took.
func (c *client) insist(line string) time.Duration {
	c.t.Helper()
	began := time.Now()
	for {
		answer := c.ask(line)
		if answer == "done" {
			return time.Since(began)
		}
		if time.Since(began) > 30*time.Second {
			c.t.Fatalf("got %q from %q after 30 s, want done", answer, line)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
