package main

import (
	"crypto/x509"
	"os"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"leasehold.example/leasehold/internal/zktest"
)

// TestRenewedCertificate: a certificate that was replaced on disk is the one
// that later connections show, and one that is just being replaced does no harm.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	authority, err := zktest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	issue := func() zktest.KeyPair {
		pair, err := authority.Issue("client.example", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	files := issue()
	var s securityFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.register(flags)
	if err := flags.Parse([]string{"--tls-cert", files.CertFile, "--tls-key", files.KeyFile}); err != nil {
		t.Fatal(err)
	}
	u, err := findStore("zks://zk1", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.checkTLS(&u); err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		shown, err := u.options.TLS.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(shown.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.String()
	}
	first := serial()
	issue()
	if got := serial(); got == first {
		t.Errorf("got the certificate %s after it was replaced, want the new one", got)
	}
	if err := os.WriteFile(files.KeyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != first {
		t.Errorf("got the certificate %s while its key is missing, want the one that came with a key, %s", got, first)
	}
}
