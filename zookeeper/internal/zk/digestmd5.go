package zk

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A digestMD5 is the client's side of SASL's DIGEST-MD5 (RFC 2831), for
// authentication alone (qop=auth).
type digestMD5 struct {
	user, password string
	uri            string // of the service that the client wants to talk to
	cnonce         string
}

// newDigestMD5 uses the names that ZooKeeper's servers have built in
// (SecurityUtils.createSaslClient).
func newDigestMD5(user, password string) *digestMD5 {
	nonce := make([]byte, 18)
	rand.Read(nonce) // never fails
	return &digestMD5{user, password, "zookeeper/zk-sasl-md5", base64.StdEncoding.EncodeToString(nonce)}
}

// respond returns the answer to the server's challenge, and the proof that the
// server knows the password too, which is what it must say next.
func (d *digestMD5) respond(challenge string) (response, proof string, err error) {
	directives, err := parseDirectives(challenge)
	if err != nil {
		return "", "", err
	}
	// Where realms are on offer the client may choose, and the first will do;
	// all else may be there once at most.
	realm, nonce := directives.first("realm"), directives.first("nonce")
	switch {
	case nonce == "" || len(directives["nonce"]) > 1:
		return "", "", errors.New("the challenge has no nonce, or several")
	case directives.first("algorithm") != "md5-sess":
		return "", "", errors.New("the challenge is not for md5-sess")
	case directives["qop"] != nil && !slices.Contains(directives.listed("qop"), "auth"):
		return "", "", errors.New("the challenge does not offer qop=auth")
	}
	parts := []string{
		"username=" + quoted(d.user), "nonce=" + quoted(nonce), "cnonce=" + quoted(d.cnonce),
		"nc=00000001", "qop=auth", "digest-uri=" + quoted(d.uri), "response=" + d.digest("AUTHENTICATE", realm, nonce),
	}
	if directives["realm"] != nil {
		parts = append(parts, "realm="+quoted(realm))
	}
	if directives.first("charset") == "utf-8" {
		parts = append(parts, "charset=utf-8")
	}
	return strings.Join(parts, ","), d.digest("", realm, nonce), nil
}

// digest is response-value of RFC 2831, section 2.1.2.1. The server's differs
// only in the method, which is empty.
func (d *digestMD5) digest(method, realm, nonce string) string {
	secret := md5.Sum([]byte(latin1(d.user) + ":" + latin1(realm) + ":" + latin1(d.password)))
	a1 := hexMD5(string(secret[:]) + ":" + nonce + ":" + d.cnonce)
	return hexMD5(a1 + ":" + nonce + ":00000001:" + d.cnonce + ":auth:" + hexMD5(method+":"+d.uri))
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// latin1 is s in ISO 8859-1 if it can be written so, else as it is: what the
// RFC wants hashed.
func latin1(s string) string {
	var b []byte
	for _, c := range s {
		if c > 0xff {
			return s
		}
		b = append(b, byte(c))
	}
	return string(b)
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoted(s string) string { return `"` + quoting.Replace(s) + `"` }

// directives are the name=value pairs of a challenge; the names in lower case.
type directives map[string][]string

func (d directives) first(name string) string {
	if len(d[name]) == 0 {
		return ""
	}
	return d[name][0]
}

// listed returns the elements of a value that is a list.
func (d directives) listed(name string) []string {
	return strings.FieldsFunc(d.first(name), func(c rune) bool { return c == ',' || isSpace(c) })
}

func isSpace(c rune) bool { return strings.ContainsRune(" \t\r\n", c) }

// parseDirectives reads name=value,name="value",… with white space and empty
// elements between (the #rule of RFC 2616).
func parseDirectives(s string) (directives, error) {
	d := directives{}
	for {
		s = strings.TrimLeftFunc(s, func(c rune) bool { return c == ',' || isSpace(c) })
		if s == "" {
			return d, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		if name = strings.TrimRightFunc(name, isSpace); !ok || name == "" || strings.ContainsAny(name, ", \t\r\n\"") {
			return nil, fmt.Errorf("the challenge has no directive at %.20q", s)
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		var value string
		if strings.HasPrefix(rest, `"`) {
			if value, rest, ok = unquote(rest[1:]); !ok {
				return nil, fmt.Errorf("the challenge's %.20q has no end", name)
			}
		} else {
			end := strings.IndexFunc(rest, func(c rune) bool { return c == ',' || isSpace(c) })
			if end < 0 {
				end = len(rest)
			}
			value, rest = rest[:end], rest[end:]
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		if rest != "" && rest[0] != ',' {
			return nil, fmt.Errorf("the challenge has no comma at %.20q", rest)
		}
		name = strings.ToLower(name)
		d[name] = append(d[name], value)
		s = rest
	}
}

// unquote reads up to the closing quote, and returns what is behind it.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
