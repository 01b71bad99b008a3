package zk_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

const challenge = `realm="zk-sasl-md5",nonce="abc",charset=utf-8,algorithm=md5-sess`

func saslAs(user, password string) zk.Auth {
	return zk.Auth{Scheme: zk.SASL, User: user, Password: func() string { return password }}
}

// A server that does not know the password can't pass for one that does, nor
// can one that asks for a weaker proof.
func TestSASLImpostor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens [2]string
		auth   bool // it is an AuthError
		says   string
	}{
		"wrong proof":  {[2]string{challenge, "rspauth=ea40f60335c427b5527b84dbabcdfffd"}, true, "does not prove that it knows the password"},
		"no proof":     {[2]string{challenge, "x=y"}, true, "does not prove that it knows the password"},
		"nonsense":     {[2]string{challenge, "="}, true, "does not prove that it knows the password"},
		"silent":       {[2]string{challenge, ""}, true, "does not accept the password"},
		"other digest": {[2]string{`nonce="abc",algorithm=md5`, ""}, false, "the challenge is not for md5-sess"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, zk.Config{Hosts: []string{startImpostor(t, c.tokens)}, Timeout: 10 * time.Second, Auth: saslAs("bob", "hunter2")})
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			err := s.Wait(ctx)
			var auth *zk.AuthError
			if err == nil || errors.As(err, &auth) != c.auth || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an AuthError: %t, and that it says %q", err, c.auth, c.says)
			}
		})
	}
}

// One host that is no good does not keep anybody from the others.
func TestSASLImpostorAmongOthers(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "none", RequireSASL: true})
	for name, addr := range map[string]string{
		"no proof": startImpostor(t, [2]string{challenge, "x=y"}), "no SASL": zktest.Shared(t).Addr(),
	} {
		for range 4 { // they are in another order each time
			s := openWith(t, zk.Config{Hosts: []string{addr, server.Addr()}, Timeout: 10 * time.Second, Auth: saslAs("bob", zktest.Users["bob"])})
			if _, err := s.Do(t.Context(), zk.Exists("/")); err != nil {
				t.Errorf("%s: got %v, want an answer of the other host's", name, err)
			}
		}
	}
}

// startImpostor starts a server that gives every connection a session, and
// answers its SASL requests with these tokens in turn.
func startImpostor(t *testing.T, tokens [2]string) (addr string) {
	t.Helper()
	return zktest.StartFake(t, func(conn net.Conn) {
		head := make([]byte, 4)
		for i := -1; i < len(tokens); i++ {
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			request := make([]byte, binary.BigEndian.Uint32(head))
			if _, err := io.ReadFull(conn, request); err != nil {
				return
			}
			if i < 0 {
				conn.Write(zktest.ConnectResponse)
			} else {
				conn.Write(zktest.Frame(request[:4], int64(0), 0, len(tokens[i]), tokens[i]))
			}
		}
		io.Copy(io.Discard, conn)
	}).Address()
}
