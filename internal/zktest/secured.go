package zktest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Security says whom a [Secured] server lets in.
type Security struct {
	// ClientCertificates is what its TLS port does about certificates of
	// clients: "need" or "none".
	ClientCertificates string

	// RequireSASL makes it answer nobody who is not a SASL user.
	RequireSASL bool
}

// Users are the SASL users of a [Secured] server, and their passwords. Digest
// users are not known to a server.
var Users = map[string]string{
	"alice": "wonderland",
	"bob":   "s:e=c,r\"e\\t ",
	"carol": "pässword",
	"dave":  "žluťoučký",
}

// A Secured is a server with a second port for TLS, at TLSAddr, and users.
// Its certificate is for "zookeeper.example" and 127.0.0.1.
type Secured struct {
	*Server
	TLSAddr   string
	Authority *Authority
	Client    KeyPair // of "client.example"
}

// StartSecured starts a server that ends with the test.
func StartSecured(t testing.TB, security Security) *Secured {
	t.Helper()
	s, err := startSecured(t, security)
	if err != nil {
		t.Fatalf("start a secured ZooKeeper server: %v", err)
	}
	t.Cleanup(s.stop)
	return s
}

// TLSConfig is what the client "client.example" uses.
func (s *Secured) TLSConfig(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := s.Client.Load()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.Authority.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("%s has no certificate", s.Authority.CAFile)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

func startSecured(t testing.TB, security Security) (*Secured, error) {
	dir := t.TempDir()
	authority, err := NewAuthority(dir)
	if err != nil {
		return nil, err
	}
	s := &Secured{Authority: authority}
	if s.Client, err = authority.Issue("client.example", time.Hour); err != nil {
		return nil, err
	}
	identity, err := authority.Issue("zookeeper.example", time.Hour)
	if err != nil {
		return nil, err
	}
	keyStore := filepath.Join(dir, "keystore.pem")
	if err := concatenate(keyStore, identity.KeyFile, identity.CertFile); err != nil {
		return nil, err
	}
	jaas := filepath.Join(dir, "jaas.conf")
	if err := os.WriteFile(jaas, jaasConfig(), 0o600); err != nil {
		return nil, err
	}
	s.TLSAddr = ReservePort(t)
	host, port, _ := net.SplitHostPort(s.TLSAddr)
	extra := fmt.Sprintf(`secureClientPortAddress=%s
secureClientPort=%s
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location=%s
ssl.keyStore.type=PEM
ssl.trustStore.location=%s
ssl.trustStore.type=PEM
ssl.clientAuth=%s
ssl.protocol=TLSv1.3
ssl.enabledProtocols=TLSv1.2,TLSv1.3
ssl.ciphersuites=TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider
authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
`, host, port, keyStore, authority.CAFile, security.ClientCertificates)
	if security.RequireSASL {
		extra += "enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n"
	}
	s.Server, err = start(dir, Config{
		Extra: extra,
		Env:   []string{"JDK_JAVA_OPTIONS=-Djava.security.auth.login.config=" + jaas},
	})
	return s, err
}

func jaasConfig() []byte {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	b.WriteString("Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule required")
	for user, password := range Users {
		fmt.Fprintf(&b, "\n  user_%s=\"%s\"", user, quote.Replace(password))
	}
	b.WriteString(";\n};\n")
	return []byte(b.String())
}

func concatenate(to string, from ...string) error {
	var all []byte
	for _, file := range from {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all = append(all, data...)
	}
	return os.WriteFile(to, all, 0o600)
}
