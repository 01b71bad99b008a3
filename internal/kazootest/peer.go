package kazootest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest/child"
)

//go:embed peer.py
var script []byte

// A Config says how a Peer differs from the usual one.
type Config struct {
	SessionTimeout time.Duration // default 60 s, which keeps pings out of packet counts
	Security       Security
}

// Security is what KazooClient wants for a server that is not open to all; the
// names are those of its arguments.
type Security struct {
	UseSSL      bool              `json:"use_ssl,omitempty"`
	CA          string            `json:"ca,omitempty"`
	CertFile    string            `json:"certfile,omitempty"`
	KeyFile     string            `json:"keyfile,omitempty"`
	AuthData    [][2]string       `json:"auth_data,omitempty"` // scheme and "user:password"
	SASLOptions map[string]string `json:"sasl_options,omitempty"`

	// DefaultACL is the name of an ACL of kazoo.security, like
	// "CREATOR_ALL_ACL".
	DefaultACL string `json:"default_acl,omitempty"`
}

// A Peer is a process with kazoo. Its methods are safe for concurrent use, and
// calls run at the same time; they share one session unless they say
// otherwise.
type Peer struct {
	proc   *child.Process
	stdin  io.WriteCloser
	stderr *buffer

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	gone    error // set once no more replies will come
}

type request struct {
	ID           int      `json:"id"`
	Op           string   `json:"op"`
	Path         string   `json:"path,omitempty"`
	Holder       string   `json:"holder,omitempty"`
	Holders      []string `json:"holders,omitempty"`
	Microseconds int64    `json:"microseconds,omitempty"`
	Now          string   `json:"now,omitempty"`
	Version      int      `json:"version"`
	Slots        int      `json:"slots,omitempty"`
	Before       Step     `json:"before,omitempty"`
	Handle       int      `json:"handle,omitempty"`
	Start        float64  `json:"start"`
	Data         []byte   `json:"data"`
	Ephemeral    bool     `json:"ephemeral,omitempty"`
	Sequence     bool     `json:"sequence,omitempty"`
	Recursive    bool     `json:"recursive,omitempty"`
}

type reply struct {
	ID      int             `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *Error          `json:"error"`
	Ready   string          `json:"ready"`
	Missing string          `json:"missing"`
}

// An Error is an exception that kazoo raised.
type Error struct {
	Type string `json:"type"` // the name of its class, like "NoNodeError"
	Text string `json:"text"`
}

func (e *Error) Error() string { return fmt.Sprintf("kazoo raised %s: %s", e.Type, e.Text) }

// Start starts a Peer of the server at zkAddr ("host:port", with a chroot if
// need be) that ends with the test.
func Start(t testing.TB, zkAddr string) *Peer {
	t.Helper()
	return StartWith(t, zkAddr, Config{})
}

// StartWith starts a Peer that ends with the test.
func StartWith(t testing.TB, zkAddr string, c Config) *Peer {
	t.Helper()
	if c.SessionTimeout == 0 {
		c.SessionTimeout = time.Minute
	}
	python, err := testpair.Python()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "peer.py")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	security, err := json.Marshal(c.Security)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-I", file, zkAddr, fmt.Sprint(c.SessionTimeout.Seconds()), string(security))
	p := &Peer{stderr: &buffer{}, waiting: map[int]chan reply{}}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	replies, stdout := io.Pipe() // not StdoutPipe, which Wait closes too early
	cmd.Stdout, cmd.Stderr = stdout, p.stderr
	if p.proc, err = child.Start(cmd); err != nil {
		t.Fatalf("start kazoo: %v", err)
	}
	go func() {
		<-p.proc.Done()
		stdout.Close()
	}()
	lines := bufio.NewReader(replies)
	t.Cleanup(func() { p.stop(t) })
	if err := p.awaitReady(lines); err != nil {
		t.Fatalf("start kazoo: %v\n%s", err, p.stderr)
	}
	go p.read(lines)
	return p
}

func (p *Peer) awaitReady(lines *bufio.Reader) error {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if r.Missing != "" {
		return fmt.Errorf("%s; make deps (or make deps-newest) installs it", r.Missing)
	}
	return nil
}

// stop lets the Peer close its sessions, so that no lock node is left to wait
// for their timeouts.
func (p *Peer) stop(t testing.TB) {
	p.proc.Resume()
	p.stdin.Close()
	select {
	case <-p.proc.Done():
	case <-time.After(10 * time.Second):
		p.proc.Kill()
	}
	if text := p.stderr.String(); text != "" && t.Failed() {
		t.Logf("kazoo's standard error:\n%s", text)
	}
}

// Kill ends the process as kill -9 does: its sessions, and their lock nodes,
// stay until the session timeout.
func (p *Peer) Kill() { p.proc.Kill() }

// Pause stops the process (SIGSTOP), so that its sessions get no pings.
func (p *Peer) Pause() { p.proc.Pause() }

// Resume lets a paused process go on.
func (p *Peer) Resume() { p.proc.Resume() }

// read hands every reply to the call that waits for it.
func (p *Peer) read(lines *bufio.Reader) {
	var err error
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err != nil {
			break
		}
		var r reply
		if err = json.Unmarshal(line, &r); err != nil {
			break
		}
		p.mu.Lock()
		done := p.waiting[r.ID]
		delete(p.waiting, r.ID)
		p.mu.Unlock()
		if done != nil {
			done <- r
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = fmt.Errorf("kazoo's process is gone: %w", err)
	for _, done := range p.waiting {
		close(done)
	}
	p.waiting = nil
}

// patience bounds a call: kazoo itself waits for a lock for ever.
const patience = time.Minute

// call sends r and waits for its reply, which goes into result unless that is
// nil. An exception is an [*Error].
func (p *Peer) call(r request, result any) error {
	done := make(chan reply, 1)
	p.mu.Lock()
	if p.gone != nil {
		defer p.mu.Unlock()
		return p.gone
	}
	p.last++
	r.ID = p.last
	p.waiting[r.ID] = done
	line, err := json.Marshal(r)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("ask kazoo for %q: %w", r.Op, err)
	}
	var answer reply
	ok := false
	select {
	case answer, ok = <-done:
	case <-time.After(patience):
		return fmt.Errorf("kazoo has not answered %q at %q in %v", r.Op, r.Path, patience)
	}
	switch {
	case !ok:
		p.mu.Lock()
		defer p.mu.Unlock()
		return errors.Join(p.gone, errors.New(strings.TrimSpace(p.stderr.String())))
	case answer.Error != nil:
		return answer.Error
	case result == nil:
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// A buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
