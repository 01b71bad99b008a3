package zk

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"
)

func (c *conn) startTLS(config *tls.Config) error {
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(c.host) // connect has checked it
	}
	encrypted := tls.Client(c.netConn, config)
	c.netConn.SetDeadline(time.Now().Add(c.stepTimeout))
	if err := encrypted.Handshake(); err != nil {
		return err
	}
	c.netConn = encrypted
	return nil
}

func hasCertificate(config *tls.Config) bool {
	return len(config.Certificates) > 0 || config.GetClientCertificate != nil
}

// certificateProblem says what is wrong with which certificate, "" if err is
// about something else.
func certificateProblem(err error, hasCertificate bool) string {
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
