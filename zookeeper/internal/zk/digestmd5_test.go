package zk_test

import (
	"strings"
	"testing"

	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// The examples of RFC 2831, section 4.
func TestDigestMD5(t *testing.T) {
	for _, c := range []struct{ uri, cnonce, challenge, response, proof string }{
		{
			"imap/elwood.innosoft.com", "OA6MHXh6VqTrRk",
			`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`,
			"d388dad90d4bbd760a152321f2143af7", "ea40f60335c427b5527b84dbabcdfffd",
		},
		{
			"acap/elwood.innosoft.com", "OA9BSuZWMSpW8m",
			`realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",qop="auth",algorithm=md5-sess,charset=utf-8`,
			"6084c6db3fede7352c551284490fd0fc", "2f0b3d7c3c2e486600ef710726aa2eae",
		},
	} {
		response, proof, err := zk.DigestMD5("chris", "secret", c.uri, c.cnonce, c.challenge)
		if err != nil || proof != c.proof || !strings.Contains(response, ",response="+c.response+",") {
			t.Errorf("%s: got %s, %s and error %v, want response %s and proof %s", c.uri, response, proof, err, c.response, c.proof)
		}
	}
}

func TestDigestMD5Challenges(t *testing.T) {
	const name, pass = `b"o\b`, "secret"
	for challenge, want := range map[string]string{
		`nonce="a",algorithm=md5-sess`:                                              `username="b\"o\\b",nonce="a",`,
		"\t, nonce = \"a\\\"b\\\\\" ,\r\n , algorithm=\"md5-sess\",":                `,nonce="a\"b\\",`,
		`nonce="a",algorithm=md5-sess,realm="x,y=z",realm="w"`:                      `,realm="x,y=z"`,
		`NONCE="a",algorithm=md5-sess,charset=utf-8,qop="auth-conf, auth,auth-int"`: `,qop=auth,`,
	} {
		got, _, err := zk.DigestMD5(name, pass, "zookeeper/zk-sasl-md5", "c", challenge)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: got %s and error %v, want %s in it", challenge, got, err, want)
		}
	}
	for _, challenge := range []string{
		"", "nonce", "=", `nonce="a"`, `nonce="a",algorithm=md5`, `nonce="a,algorithm=md5-sess`, `nonce="a\`, `nonce="",algorithm=md5-sess`,
		`nonce="a",nonce="b",algorithm=md5-sess`, `nonce="a",algorithm=md5-sess,qop="auth-int"`, `nonce="a" algorithm=md5-sess`,
		`nonce="a"b,algorithm=md5-sess`, `rspauth=ea40f60335c427b5527b84dbabcdfffd`,
	} {
		if got, _, err := zk.DigestMD5(name, pass, "zookeeper/zk-sasl-md5", "c", challenge); err == nil {
			t.Errorf("%q: got %s, want an error", challenge, got)
		}
	}
}

func FuzzDigestMD5(f *testing.F) {
	f.Add(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`)
	f.Add("\t, nonce = \"a\\\"b\\\\\" ,\r\n , algorithm=\"md5-sess\",")
	f.Add(`rspauth=ea40f60335c427b5527b84dbabcdfffd`)
	f.Fuzz(func(t *testing.T, challenge string) {
		response, proof, err := zk.DigestMD5("bob", "hunter2", "zookeeper/zk-sasl-md5", "c", challenge)
		if err == nil && (len(proof) != 32 || !strings.HasPrefix(response, `username="bob",nonce="`)) {
			t.Errorf("%q: got %q and %q", challenge, response, proof)
		}
		if strings.Contains(response, "hunter2") && !strings.Contains(challenge, "hunter2") {
			t.Errorf("%q: got %q, which has the password", challenge, response)
		}
	})
}
