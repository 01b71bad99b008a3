package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"leasehold.example/leasehold/internal/zktest"
)

// cmdSecured starts a server that needs a certificate of every client on its
// TLS port, and makes that the store, for nobody yet. $CA, $CERT and $KEY
// are what it takes, $OTHERCA is an authority of somebody else's, $EXPIRED and
// $EXPIREDKEY a certificate that was good once. $BARE is the store without its
// TLS, $PLAIN the port that has none.
func cmdSecured(t *testing.T, ts *testscript.TestScript) {
	s := zktest.StartSecured(t, zktest.Security{ClientCertificates: "need"})
	servers.Store(ts, s.Server)
	other, err := zktest.NewAuthority(ts.Getenv("TMPDIR"))
	ts.Check(err)
	expired, err := s.Authority.Issue("late.example", -time.Minute)
	ts.Check(err)
	for name, value := range map[string]string{
		"LEASEHOLD_STORE": "zks://" + s.TLSAddr,
		"BARE":            "zk://" + s.TLSAddr,
		"PLAIN":           "zk://" + s.Addr(),
		"CA":              s.Authority.CAFile,
		"OTHERCA":         other.CAFile,
		"CERT":            s.Client.CertFile,
		"KEY":             s.Client.KeyFile,
		"EXPIRED":         expired.CertFile,
		"EXPIREDKEY":      expired.KeyFile,
	} {
		ts.Setenv(name, value)
	}
	keepLocksApart(ts)
	ts.Check(os.WriteFile(ts.MkAbs("alice"), fmt.Appendf(nil, "sasl:alice:%s\n", zktest.Users["alice"]), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("bob"), fmt.Appendf(nil, "sasl:bob:%s\n", zktest.Users["bob"]), 0o600))
}
