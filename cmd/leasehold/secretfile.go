package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// fileLimit is more than any file of certificates, and keeps a wrong one from
// filling the memory.
const fileLimit = 4 << 20

// read returns the contents of the file that g names. private ones may not be
// readable by other users.
func (g setting) read(private func(fs.FileInfo, volume) bool) ([]byte, error) {
	file, err := os.Open(g.value)
	if err != nil {
		return nil, g.badFile(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, g.badFile(err)
	}
	if v := volumeOf(file); !private(info, v) {
		hint := "chmod 600 " + text.Escape(g.value)
		if v.readOnly {
			hint = "give the volume the mode 0440 (defaultMode in Kubernetes)"
		}
		return nil, config(hint, "%s %q can be read by other users (mode %04o)", g.source, g.value, info.Mode().Perm())
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
// nobody if it is our own. The platform that mounts a volume of secrets for a
// container gives them modes of its own: 0644 for root is common.
func public(fs.FileInfo, volume) bool { return true }

func hiddenFromAll(i fs.FileInfo, v volume) bool {
	return i.Mode()&0o007 == 0 || v.readOnly && v.inMemory && (userOf(i) == 0 || userOf(i) == os.Geteuid())
}

func hiddenFromRest(i fs.FileInfo, v volume) bool {
	return hiddenFromAll(i, v) && (i.Mode()&0o070 == 0 || userOf(i) != os.Geteuid() || v.readOnly)
}

// userOf returns the file's user, -1 if it is not known.
func userOf(i fs.FileInfo) int {
	if st, ok := i.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// A volume is the file system that a file is on, as it is mounted.
type volume struct{ readOnly, inMemory bool }

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

// certificates returns those in the file that g names, and what is wrong with
// others in it.
func (g setting) certificates() (pool *x509.CertPool, bad []error, err error) {
	data, err := g.read(public)
	if err != nil {
		return nil, nil, err
	}
	const begin = "-----BEGIN CERTIFICATE-----"
	pool = x509.NewCertPool()
	parts := strings.Split(string(data), begin)[1:]
	for i, part := range parts {
		err := errors.New("it is no PEM")
		if block, _ := pem.Decode([]byte(begin + part)); block != nil {
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				pool.AddCert(c)
				continue
			}
		}
		bad = append(bad, fmt.Errorf("its certificate %d: %w", i+1, err))
	}
	switch {
	case len(parts) == 0:
		return nil, nil, g.badFile(errors.New("has no certificate in PEM"))
	case len(bad) == len(parts):
		return nil, nil, g.badFile(bad[0])
	}
	return pool, bad, nil
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
