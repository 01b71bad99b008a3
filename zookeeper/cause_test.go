package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/zookeeper"
)

// startAlone starts one server of three, as a kind of peer, and returns its address
// once it says that it is as it is to be.
func startAlone(t *testing.T, peer, says string, options ...string) string {
	t.Helper()
	dir, addr := t.TempDir(), zktest.ReservePort(t)
	host, port, _ := net.SplitHostPort(addr)
	config := fmt.Sprintf("dataDir=%s\nclientPortAddress=%s\nclientPort=%s\ntickTime=200\ninitLimit=10\nsyncLimit=5\n"+
		"admin.enableServer=false\n4lw.commands.whitelist=srvr\npeerType=%s\n", dir, host, port, peer)
	for i := 1; i <= 3; i++ {
		role := "participant"
		if i == 1 {
			role = peer
		}
		_, quorum, _ := net.SplitHostPort(zktest.ReservePort(t))
		_, election, _ := net.SplitHostPort(zktest.ReservePort(t))
		config += fmt.Sprintf("server.%d=%s:%s:%s:%s\n", i, host, quorum, election, role)
	}
	for name, text := range map[string]string{"zoo.cfg": config, "myid": "1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd, err := zktest.Java(filepath.Join(dir, "zoo.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(append(cmd.Args[:1:1], options...), cmd.Args[1:]...)
	proc, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proc.Kill)
	for answer := ""; !strings.Contains(answer, says); {
		select {
		case <-proc.Done():
			t.Fatalf("the server ended: %v", proc.Err())
		case <-time.After(20 * time.Millisecond):
		}
		answer, _ = zktest.Ask(addr, "srvr", time.Second)
	}
	return addr
}

// wantCause opens a Store, and wants the error that names cause.
func wantCause(t *testing.T, addr, cause string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	_, err := zookeeper.Open(ctx, "zk://"+addr, nil)
	if want := addr + " " + cause; !errors.Is(err, leasehold.ErrUnreachable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "EOF") {
		t.Errorf("got %v, want ErrUnreachable with %q", err, want)
	}
}

func TestNoQuorum(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"participant", "observer"} {
		t.Run(peer, func(t *testing.T) {
			t.Parallel()
			wantCause(t, startAlone(t, peer, "not currently serving"), "serves nobody: it finds no quorum")
		})
	}
}

func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	wantCause(t, startAlone(t, "participant", "Mode: read-only", "-Dreadonlymode.enabled=true"), "only lets read: it finds no quorum")
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	server := zktest.StartWith(t, zktest.Config{Extra: "maxClientCnxns=1"})
	for { // until the server has counted one
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			break
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	wantCause(t, server.Addr(), "closes each connection at once: this host may have as many as the server allows (maxClientCnxns)")
}
