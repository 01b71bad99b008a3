package zookeeper_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A server that answers SASL users only.
func TestSASL(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "none", RequireSASL: true})
	url := "zk://" + server.Addr()
	bob := saslAs("bob", zktest.Users["bob"])

	t.Run("shared with kazoo", func(t *testing.T) {
		t.Parallel()
		s := mustOpen(t, url, saslAs("alice", zktest.Users["alice"]))
		python := kazootest.StartWith(t, server.Addr(), kazootest.Config{Security: kazootest.Security{
			SASLOptions: map[string]string{"mechanism": "DIGEST-MD5", "username": "alice", "password": zktest.Users["alice"]},
			DefaultACL:  "CREATOR_ALL_ACL",
		}})
		share(t, s, python, "/sasl/shared")

		_, err := client(mustOpen(t, url, bob), "host-b").TryAcquire(t.Context(), "/sasl/shared/below/ours", time.Minute)
		wantPermission(t, err, `refuses to read "/sasl/shared/below/ours/lease_holder" for sasl user "bob"`)
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		for user, password := range zktest.Users {
			acquire(t, mustOpen(t, url, saslAs(user, password)), "host-a", "/sasl-"+user)
		}
	})
	t.Run("reconnects", func(t *testing.T) {
		t.Parallel()
		proxy := zktest.NewProxy(t, server.Addr())
		reconnects(t, proxy, mustOpen(t, "zk://"+proxy.Addr(), bob), "/sasl-reconnects")
	})
	t.Run("over TLS", func(t *testing.T) {
		t.Parallel()
		overTLS := bob
		overTLS.TLS = server.TLSConfig(t)
		overTLS.TLS.Certificates = nil
		acquire(t, mustOpen(t, "zks://"+server.TLSAddr, overTLS), "host-a", "/sasl-tls")
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		for user, password := range map[string]string{"bob": "hunter2", "mallory": "hunter2"} {
			began := time.Now()
			_, err := openURL(t, url, saslAs(user, password))
			wantPermission(t, err, server.Addr()+` does not accept the password of sasl user "`+user+`"`)
			if took := time.Since(began); took > 10*time.Second || strings.Contains(fmt.Sprint(err), password) {
				t.Errorf("got %v after %s, want it at once and without the password", err, took)
			}
		}
		for who, options := range map[string]zookeeper.Options{"nobody": {}, `digest user "bob"`: digestAs("bob", "secret")} {
			s, err := openURL(t, url, options)
			if err == nil {
				_, err = client(s, "host-a").TryAcquire(t.Context(), "/sasl-none", time.Minute)
			}
			wantPermission(t, err, `requires an authentication to read "/sasl-none/lease_holder"`, "that of "+who)
		}
	})
}

func TestNoSASLThere(t *testing.T) {
	t.Parallel()
	addr := zktest.Shared(t).Addr()
	_, err := openURL(t, "zk://"+addr, saslAs("bob", "hunter2"))
	wantPermission(t, err, addr+" has no SASL users")
}

// A server that does not know the password can't pass for one that does, nor
// can one that asks for a weaker proof.
func TestSASLImpostor(t *testing.T) {
	t.Parallel()
	const challenge = `realm="zk-sasl-md5",nonce="abc",charset=utf-8,algorithm=md5-sess`
	for name, c := range map[string]struct {
		tokens [2]string
		want   error
		says   string
	}{
		"wrong proof":  {[2]string{challenge, "rspauth=ea40f60335c427b5527b84dbabcdfffd"}, leasehold.ErrPermission, "does not prove that it knows the password"},
		"no proof":     {[2]string{challenge, "x=y"}, leasehold.ErrPermission, "does not prove that it knows the password"},
		"nonsense":     {[2]string{challenge, "="}, leasehold.ErrPermission, "does not prove that it knows the password"},
		"silent":       {[2]string{challenge, ""}, leasehold.ErrPermission, "does not accept the password"},
		"other digest": {[2]string{`nonce="abc",algorithm=md5`, ""}, leasehold.ErrUnreachable, "the challenge is not for md5-sess"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := saslAs("bob", "hunter2")
			addr := pretender(t, c.tokens)
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			s, err := zookeeper.Open(ctx, "zk://"+addr, &options)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

// One host that is no good does not keep anybody from the others.
func TestSASLImpostorAmongOthers(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "none", RequireSASL: true})
	const challenge = `realm="zk-sasl-md5",nonce="abc",charset=utf-8,algorithm=md5-sess`
	for name, addr := range map[string]string{
		"no proof": pretender(t, [2]string{challenge, "x=y"}), "no SASL": zktest.Shared(t).Addr(),
	} {
		for range 4 { // they are in another order each time
			s := mustOpen(t, "zk://"+addr+","+server.Addr(), saslAs("bob", zktest.Users["bob"]))
			if _, err := s.Read(t.Context(), "/x"); err != nil {
				t.Errorf("%s: got %v, want an answer of the other host's", name, err)
			}
		}
	}
}

// pretender is a server that gives every connection a session, and answers its
// SASL requests with these tokens in turn.
func pretender(t *testing.T, tokens [2]string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	serve := func(conn net.Conn) {
		defer conn.Close()
		head := make([]byte, 4)
		for i := -1; i < len(tokens); i++ {
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			request := make([]byte, binary.BigEndian.Uint32(head))
			if _, err := io.ReadFull(conn, request); err != nil {
				return
			}
			var answer []byte
			if i < 0 {
				answer = binary.BigEndian.AppendUint32(answer, 0)      // protocol version
				answer = binary.BigEndian.AppendUint32(answer, 10_000) // timeout
				answer = binary.BigEndian.AppendUint64(answer, 1)      // session
				answer = binary.BigEndian.AppendUint32(answer, 16)
				answer = append(answer, make([]byte, 16+1)...) // password, read-only
			} else {
				answer = append(answer, request[:4]...) // xid
				answer = append(answer, make([]byte, 8+4)...)
				answer = binary.BigEndian.AppendUint32(answer, uint32(len(tokens[i])))
				answer = append(answer, tokens[i]...)
			}
			conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
		}
		io.Copy(io.Discard, conn)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}
