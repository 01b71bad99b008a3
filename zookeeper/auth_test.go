package zookeeper_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

func TestParseAuth(t *testing.T) {
	for s, want := range map[string]zookeeper.Auth{
		"digest:bob:secret":   {zookeeper.Digest, "bob", "secret"},
		"sasl:bob:s:e:c:r:et": {zookeeper.SASL, "bob", "s:e:c:r:et"},
		"sasl:bob::":          {zookeeper.SASL, "bob", ":"},
		"digest:Žofie: heslo": {zookeeper.Digest, "Žofie", " heslo"},
	} {
		if got, err := zookeeper.ParseAuth(s); got != want || err != nil {
			t.Errorf("%s: got %v and error %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "hunter2", "digest", "digest:", "digest:hunter2", "digest:hunter2:", "digest::hunter2", "bob:hunter2", "bob:hunter2:x",
		"Digest:bob:hunter2", "digest:b\nb:hunter2", "x509:CN=hunter2:x", "sasl:bob:\xffhunter2",
	} {
		_, err := zookeeper.ParseAuth(s)
		var bad *leasehold.ArgumentError
		if !errors.As(err, &bad) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want an *ArgumentError without it", s, err)
		}
	}
}

func FuzzParseAuth(f *testing.F) {
	f.Add("digest:bob:secret")
	f.Add("sasl:bob:s:e:c:r:et")
	f.Add("digest:bob:")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := zookeeper.ParseAuth(s)
		if err == nil && string(a.Scheme)+":"+a.User+":"+a.Password != s {
			t.Errorf("%q: got %q, %q, %q", s, a.Scheme, a.User, a.Password)
		}
		if err != nil && !strings.HasPrefix(err.Error(), `invalid authentication "(hidden)": `) {
			t.Errorf("%q: got %v", s, err)
		}
	})
}

// However a password comes to be printed, it doesn't show.
func TestPasswordIsNeverPrinted(t *testing.T) {
	t.Parallel()
	auth := zookeeper.Auth{Scheme: zookeeper.Digest, User: "bob", Password: "hunter2"}
	options := &zookeeper.Options{Auth: auth}
	store := openWith(t, zktest.Shared(t).Addr(), options)
	things := map[string]any{"Auth": auth, "*Auth": &auth, "Options": *options, "*Options": options, "Store": store, "slice": []zookeeper.Auth{auth}}
	for name, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			got := fmt.Sprintf(verb, thing)
			if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s as %s: got %s", name, verb, got)
			}
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", name, thing)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", name, thing)
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("%s logged: got %s", name, out.String())
		}
	}
	if got, err := json.Marshal(auth); err != nil || strings.Contains(string(got), "hunter2") {
		t.Errorf("in JSON: got %s and error %v", got, err)
	}
	for _, got := range []string{auth.String(), fmt.Sprint(auth), fmt.Sprintf("%#v", auth), auth.LogValue().String()} {
		if want := `digest user "bob"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestOpenWithBadAuth(t *testing.T) {
	t.Parallel()
	_, err := zookeeper.Open(t.Context(), "zk://"+zktest.Shared(t).Addr(), &zookeeper.Options{Auth: zookeeper.Auth{User: "bob", Password: "hunter2"}})
	var bad *leasehold.ArgumentError
	if !errors.As(err, &bad) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an *ArgumentError without the password", err)
	}
}
