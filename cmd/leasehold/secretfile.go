package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// fileLimit is more than any file of certificates, and keeps a wrong one from
// filling the memory.
const fileLimit = 4 << 20

// read returns the contents of the file that g names. private ones may not be
// readable by other users.
func (g setting) read(private func(fs.FileInfo) bool) ([]byte, error) {
	file, err := os.Open(g.value)
	if err != nil {
		return nil, g.badFile(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, g.badFile(err)
	}
	if !private(info) {
		return nil, config("chmod 600 "+escape(g.value), "%s %q can be read by other users (mode %04o)", g.source, g.value, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(file, fileLimit+1))
	switch {
	case err != nil:
		return nil, g.badFile(err)
	case len(data) > fileLimit:
		return nil, g.badFile(errors.New("too large"))
	}
	return data, nil
}

func (g setting) badFile(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) { // it says the name again
		err = path.Err
	}
	return config("", "%s %q: %v", g.source, g.value, err)
}

// Who may read a file, beside its user: anybody; a group that its
// administrator has given it to, as Debian's ssl-cert; or, as for ssh's keys,
// nobody if it is our own.
func public(fs.FileInfo) bool          { return true }
func hiddenFromAll(i fs.FileInfo) bool { return i.Mode()&0o007 == 0 }
func hiddenFromRest(i fs.FileInfo) bool {
	st, ok := i.Sys().(*syscall.Stat_t)
	return hiddenFromAll(i) && (i.Mode()&0o070 == 0 || ok && int(st.Uid) != os.Geteuid())
}

// secretLine returns the one line of the file that g names. No error shows any
// of it.
func (g setting) secretLine() (string, error) {
	data, err := g.read(hiddenFromRest)
	if err != nil {
		return "", err
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case line == "":
		return "", g.badFile(errors.New("is empty"))
	case strings.ContainsAny(line, "\n\r"):
		return "", g.badFile(errors.New("has more than one line"))
	}
	return line, nil
}

// certificates returns those in the file that g names.
func (g setting) certificates() (*x509.CertPool, error) {
	data, err := g.read(public)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, g.badFile(err)
		}
		pool.AddCert(c)
		found = true
	}
	if !found {
		return nil, g.badFile(errors.New("has no certificate in PEM"))
	}
	return pool, nil
}

// keyPair returns the client's certificate and key.
func keyPair(cert, key setting) (*tls.Certificate, error) {
	certPEM, err := cert.read(public)
	if err != nil {
		return nil, err
	}
	keyPEM, err := key.read(hiddenFromAll)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, config("", "%s %q and %s %q: %s", cert.source, cert.value, key.source, key.value, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}
