package zookeeper

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"leasehold.example/leasehold"
)

// An encrypted is a TLS connection that tells its session why a server and this
// client don't trust each other: no further attempt changes that. TLS is set up
// with the client library's first request, within a bound.
//
// The library sends that and waits for the answer in one goroutine; it reads
// and writes at the same time only later.
type encrypted struct {
	*tls.Conn
	session   *session
	host      string        // host:port, as in the store's URL
	handshake time.Duration // bound on setting up TLS
	trusted   bool          // by both sides
}

// encrypt returns conn with TLS, if the session's connections have it.
func (s *session) encrypt(conn net.Conn, host string, handshake time.Duration) net.Conn {
	if s.credentials.tls == nil {
		return conn
	}
	config := s.credentials.tls()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(host) // as the library got it, so with a port
	}
	return &encrypted{Conn: tls.Client(conn, config), session: s, host: host, handshake: handshake}
}

func (c *encrypted) Write(p []byte) (int, error) {
	if c.trusted {
		return c.Conn.Write(p)
	}
	c.SetDeadline(time.Now().Add(c.handshake)) // the library bounds only writing so far
	if err := c.Handshake(); err != nil {
		return 0, c.failed(fmt.Errorf("TLS handshake: %w", err))
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		// A server that refuses a client certificate says so, and closes the
		// connection, after a handshake that was good for the client.
		if _, why := c.Conn.Read(make([]byte, 1)); isAlert(why) {
			err = why
		}
		err = c.failed(err)
	}
	return n, err
}

func (c *encrypted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.trusted {
		return n, err
	}
	if err != nil {
		return n, c.failed(err)
	}
	c.trusted = true
	c.session.trust(c.host)
	return n, nil
}

// failed tells the session why there is no connection.
func (c *encrypted) failed(err error) error {
	why := distrust(err, c.session.credentials.certificate != "")
	if why == "" {
		err = fmt.Errorf("%s: %w", c.host, err)
		c.session.note(err)
		return err
	}
	err = fmt.Errorf("%w: ZooKeeper at %s: %s: %w", leasehold.ErrPermission, c.host, why, err)
	c.session.distrust(c.host, err)
	return err
}

// distrust says what is wrong with which certificate, "" if err isn't that.
func distrust(err error, hasCertificate bool) string {
	var (
		unverified *tls.CertificateVerificationError
		unknown    x509.UnknownAuthorityError
		other      x509.HostnameError
		invalid    x509.CertificateInvalidError
	)
	switch {
	case !errors.As(err, &unverified):
	case errors.As(err, &unknown):
		return "the server's certificate is not from an authority that is trusted"
	case errors.As(err, &other):
		return "the server's certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet"
	default:
		return "the server's certificate can't be verified"
	}
	switch {
	case !isAlert(err) || !strings.Contains(err.Error(), "certificate"):
		return ""
	case hasCertificate:
		return "the server refuses the client certificate"
	}
	return "the server requires a client certificate"
}

// isAlert reports whether err is why the other side ended TLS.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
