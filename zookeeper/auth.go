package zookeeper

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// An AuthScheme is a way to tell the servers who is asking.
type AuthScheme string

const (
	// Digest sends user and password as they are, so use it over TLS. The
	// servers keep no passwords: every user with every password is somebody,
	// and what counts is whether the ACLs are that somebody's.
	Digest AuthScheme = "digest"

	// SASL is SASL's mechanism DIGEST-MD5 (RFC 2831), for users whom the
	// servers know. The password does not travel, but all else does, so use it
	// over TLS too.
	SASL AuthScheme = "sasl"
)

// Auth is who a Store is to the servers. The zero Auth is nobody, or, over TLS,
// whom the client certificate names. However an Auth is printed, the password
// does not show; but package fmt asks no field that is unexported: don't print a
// struct of yours that has an Auth in such a one.
type Auth struct {
	Scheme   AuthScheme
	User     string
	Password string `json:"-"`
}

// ParseAuth reads "digest:USER:PASSWORD" or "sasl:USER:PASSWORD". The password
// may have colons. It returns an [*leasehold.ArgumentError], which has nothing
// of s in it.
func ParseAuth(s string) (Auth, error) {
	scheme, rest, _ := strings.Cut(s, ":")
	user, password, _ := strings.Cut(rest, ":")
	a := Auth{AuthScheme(scheme), user, password}
	return a, a.check()
}

func (a Auth) check() error {
	want := ""
	switch {
	case a.Scheme != Digest && a.Scheme != SASL:
		want = "is neither digest nor sasl"
	case a.User == "" || strings.ContainsFunc(a.User, func(c rune) bool { return c == ':' || unicode.IsControl(c) }):
		want = "has no user, or one with a colon or a control character"
	case a.Password == "":
		want = "has no password"
	case !utf8.ValidString(a.User + a.Password):
		want = "is not in UTF-8"
	default:
		return nil
	}
	return &leasehold.ArgumentError{Name: "authentication", Value: "(hidden)", Want: want + "; want digest:USER:PASSWORD or sasl:USER:PASSWORD"}
}

// String returns the scheme and the user.
func (a Auth) String() string {
	if a == (Auth{}) {
		return "nobody"
	}
	return fmt.Sprintf("%s user %q", a.Scheme, a.User)
}

// Format prints String, whatever the verb.
func (a Auth) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// LogValue is String.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// credentials are what a Store has to show to the servers, and wants of them.
// Secrets are inside of functions, where no printing of a Store gets to.
type credentials struct {
	tls         func() *tls.Config // a new copy; nil for no TLS
	certificate string             // to show to a server that asks for one; "" for none
	auth        zk.Auth
}

// newCredentials returns an [*leasehold.ArgumentError] for an auth that can't
// be. config may be nil.
func newCredentials(config *tls.Config, secure bool, auth Auth) (*credentials, error) {
	c := &credentials{}
	if auth != (Auth{}) {
		if err := auth.check(); err != nil {
			return nil, err
		}
		password := auth.Password
		c.auth = zk.Auth{Scheme: string(auth.Scheme), User: auth.User, Password: func() string { return password }}
	}
	if config == nil && !secure {
		return c, nil
	}
	if config = config.Clone(); config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	c.tls, c.certificate = config.Clone, certificateOf(config)
	return c, nil
}

// certificateOf returns what to call the client certificate in messages.
func certificateOf(config *tls.Config) string {
	if len(config.Certificates) > 0 && len(config.Certificates[0].Certificate) > 0 {
		if leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0]); err == nil {
			return fmt.Sprintf("the client certificate %q", leaf.Subject)
		}
	}
	if len(config.Certificates) > 0 || config.GetClientCertificate != nil {
		return "a client certificate"
	}
	return ""
}

// String says who that is to the servers.
func (c *credentials) String() string {
	user := c.auth.String()
	switch {
	case c.certificate == "":
		return user
	case c.auth.Scheme == "":
		return c.certificate
	}
	return user + " with " + c.certificate
}
