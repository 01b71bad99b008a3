package zookeeper

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
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

// OpenACL lets everybody do everything. It is kazoo's default and ours.
func OpenACL() []zk.ACL { return zk.WorldACL(zk.PermAll) }

// CreatorACL lets the creator do everything, and nobody else anything: whoever
// has the same user and password, or the same client certificate. It is kazoo's
// CREATOR_ALL_ACL. Nobody can't create with it.
//
// A digest user with a wrong password is somebody else to the servers, and not
// told so before asking for a node of the right one: new nodes are then that
// somebody's.
func CreatorACL() []zk.ACL { return zk.AuthACL(zk.PermAll) }

// ReadWorldACL is CreatorACL and lets everybody read.
func ReadWorldACL() []zk.ACL { return append(CreatorACL(), zk.WorldACL(zk.PermRead)...) }

// credentials are what a Store has to show to the servers, and wants of them.
// Secrets are inside of functions, where no printing of a Store gets to.
type credentials struct {
	tls         func() *tls.Config // a new copy; nil for no TLS
	certificate string             // to show to a server that asks for one; "" for none
	auth        Auth               // without the password
	password    func() string
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
		c.password = func() string { return password }
		c.auth = Auth{Scheme: auth.Scheme, User: auth.User}
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
	switch {
	case c == nil:
		return "the user of a connection that was not opened here"
	case c.certificate == "":
		return c.auth.String()
	case c.auth == Auth{}:
		return c.certificate
	}
	return c.auth.String() + " with " + c.certificate
}

// A denied is a lack of permission, with what it was that was denied.
type denied struct {
	operation, path string
	error
}

func (d *denied) Unwrap() error { return d.error }

// asked returns err, as a denied if it is a lack of permission.
func asked(err error, operation, path string) error {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, errAuthRequired) {
		return &denied{operation, path, err}
	}
	return err
}

// askedAll is asked for a transaction.
func askedAll(err error, ops []any, results []zk.MultiResponse) error {
	for i, r := range results {
		if i >= len(ops) || !errors.Is(r.Error, zk.ErrNoAuth) {
			continue
		}
		switch op := ops[i].(type) {
		case *zk.CreateRequest: // this is up to the parent, and so is the next
			return asked(err, "create nodes below", parentOf(op.Path))
		case *zk.DeleteRequest:
			return asked(err, "delete nodes below", parentOf(op.Path))
		case *zk.SetDataRequest:
			return asked(err, "write", op.Path)
		case *zk.CheckVersionRequest:
			return asked(err, "read", op.Path)
		}
	}
	return err
}

func parentOf(path string) string {
	if parent := up(path); parent != "" {
		return parent
	}
	return "/"
}

// errAuthRequired means that a server answers only those who are
// authenticated (SESSIONCLOSEDREQUIRESASLAUTH; whatever the scheme).
var errAuthRequired = errors.New("the server requires authentication")

// explain turns the server's errors into ours; operation and path say
// what was refused, unless err knows it better.
func (s *Store) explain(err error, operation, path string) error {
	var d *denied
	if errors.As(err, &d) {
		operation, path = d.operation, d.path
	}
	switch {
	case err == nil || errors.Is(err, leasehold.ErrPermission):
		return err
	case errors.Is(err, zk.ErrNoAuth):
		return fmt.Errorf("%w: ZooKeeper refuses to %s %q for %v", leasehold.ErrPermission, operation, path, s.credentials)
	case errors.Is(err, errAuthRequired):
		return fmt.Errorf("%w: ZooKeeper requires an authentication to %s %q and does not take that of %v", leasehold.ErrPermission, operation, path, s.credentials)
	case errors.Is(err, zk.ErrInvalidACL):
		return fmt.Errorf("%w: ZooKeeper refuses the ACL to %s %q with, for %v: %w", leasehold.ErrPermission, operation, path, s.credentials, err)
	case isDefinite(err):
		return fmt.Errorf("%s %q: %w", operation, path, err)
	}
	return err
}
