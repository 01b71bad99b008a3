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

// waitLimit bounds every wait for a state.
const waitLimit = 60 * time.Second

type silent struct{}

func (silent) Printf(string, ...any) {}

// runClient replies to each line with one line.
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
		result, err := "done", error(nil)
		switch words := strings.Fields(input.Text()); words[0] {
		case "through": // that server, from now on
			for result = ""; result != words[1]; result = conn.Server() {
				conn.Close()
				connect()
				_, _, err = conn.Exists("/")
			}
		case "server":
			result = conn.Server()
		case "set": // the path to the data
			_, err = conn.Set(words[1], []byte(words[2]), -1)
		case "ruok": // to the address
			result, err = zktest.Ask(words[1], "ruok", 500*time.Millisecond)
		}
		if err != nil {
			result = "error: " + err.Error()
		}
		fmt.Println(result)
	}
}

// A client is such a process.
type client struct {
	t       *testing.T
	proc    *child.Process
	input   io.Writer
	results chan string
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
	c := &client{t: t, input: stdin, results: make(chan string, 100)}
	if c.proc, err = child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.proc.Kill)
	go func() {
		for lines := bufio.NewScanner(read); lines.Scan(); {
			c.results <- lines.Text()
		}
	}()
	return c
}

// send has the client do something. Its result is to be awaited.
func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.input, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// result waits for the next result.
func (c *client) result() string {
	c.t.Helper()
	select {
	case a := <-c.results:
		return a
	case <-time.After(waitLimit):
		c.t.Fatalf("no result from the client in %v", waitLimit)
		panic("unreachable")
	}
}

func (c *client) do(line string) string {
	c.t.Helper()
	c.send(line)
	return c.result()
}

// doUntilDone sends the line until the result is "done", since a client may lose
// its connection, and returns how long that took.
func (c *client) doUntilDone(line string) time.Duration {
	c.t.Helper()
	began := time.Now()
	for {
		result := c.do(line)
		if result == "done" {
			return time.Since(began)
		}
		if time.Since(began) > waitLimit {
			c.t.Fatalf("got %q from %q after %v, want done", result, line, waitLimit)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
