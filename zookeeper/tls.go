package zookeeper

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"
)

// encrypt sets TLS up.
func (l *link) encrypt(config *tls.Config) error {
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(l.host) // as parseURL returned it, so with a port
	}
	conn := tls.Client(l.conn, config)
	l.conn.SetDeadline(time.Now().Add(l.step))
	if err := conn.Handshake(); err != nil {
		return err
	}
	l.conn, l.raw = conn, nil
	return nil
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
