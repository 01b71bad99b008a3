package zktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An Authority signs certificates for tests. Everything is in PEM files, keys
// in PKCS #8, as ZooKeeper wants them.
type Authority struct {
	CAFile string // its own certificate

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A KeyPair is a certificate and its key.
type KeyPair struct{ CertFile, KeyFile string }

// Load reads both files.
func (k KeyPair) Load() (tls.Certificate, error) { return tls.LoadX509KeyPair(k.CertFile, k.KeyFile) }

// NewAuthority makes an authority whose files go into dir.
func NewAuthority(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := template("authority", time.Hour)
	cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a := &Authority{CAFile: filepath.Join(dir, "ca.pem"), dir: dir, cert: cert, key: key}
	return a, writePEM(a.CAFile, "CERTIFICATE", der)
}

// Issue makes a certificate for the name, which the address 127.0.0.1 has as
// well, that is valid for the given time from now. With a negative one it has
// expired.
func (a *Authority) Issue(name string, valid time.Duration) (KeyPair, error) {
	pair := KeyPair{filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	cert := template(name, valid)
	cert.DNSNames, cert.IPAddresses = []string{name}, []net.IP{net.IPv4(127, 0, 0, 1)}
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return pair, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, err
	}
	if err := writePEM(pair.KeyFile, "PRIVATE KEY", secret); err != nil {
		return pair, err
	}
	return pair, writePEM(pair.CertFile, "CERTIFICATE", der)
}

func template(name string, valid time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err) // never fails
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(valid),
	}
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
