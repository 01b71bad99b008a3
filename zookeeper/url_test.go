package zookeeper_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

func TestURL(t *testing.T) {
	t.Parallel()
	good := []struct {
		url    string
		hosts  []string
		chroot string
		off    bool
	}{
		{"zk://a", []string{"a:2181"}, "", false},
		{"zk://a/", []string{"a:2181"}, "", false},
		{"zk://a:2182,b.example,[::1]:2183,[fe80::1%eth0]/apps/leases/", []string{"a:2182", "b.example:2181", "[::1]:2183", "[fe80::1%eth0]:2181"}, "/apps/leases", false},
		{"zk://127.0.0.1:1/x?guard=off", []string{"127.0.0.1:1"}, "/x", true},
		{"zk://a?guard=on", []string{"a:2181"}, "", false},
	}
	for _, test := range good {
		u, err := zookeeper.ParseURL(test.url)
		if err != nil || !slices.Equal(u.Hosts, test.hosts) || u.Chroot != test.chroot || u.GuardOff != test.off {
			t.Errorf("%s: got %+v and error %v, want %+v", test.url, u, err, test)
		}
	}
	hidden := map[string]string{ // what may be a password
		"zk://user:pw@a": "zk://…@a", "http://user:p@w@a/x@y": "http://…@a/x@y",
		"zk://a?guard=off&guard=on": "zk://a?…", "zk://a?x=y": "zk://a?…", "zk://a/%?%zz": "zk://a/%?…",
	}
	for _, url := range []string{
		"", "a:2181", "zk:", "zk://", "zk:///x", "zk://a,,b", "zk://a:0", "zk://a:65536", "zk://a:x", "zk://a:", "zk://::1",
		"zk://user:pw@a", "http://user:p@w@a/x@y", "zk://a b", "http://a", "zk://a//x", "zk://a/../x", "zk://a/zookeeper", "zk://a/lease_holder",
		"zk://a ", " zk://a", "zk://a/x ", "zk://a/x y", "zk://a/x\n", "zk://a/x\u00a0", "zk://a, b/x",
		"zk://a?guard=maybe", "zk://a?guard=off&guard=on", "zk://a?x=y", "zk://a/%?%zz",
	} {
		var bad *leasehold.ArgumentError
		want := url
		if shown, ok := hidden[url]; ok {
			want = shown
		}
		if _, err := zookeeper.ParseURL(url); !errors.As(err, &bad) || bad.Value != want {
			t.Errorf("%q: got %v, want an *ArgumentError that names %q", url, err, want)
		}
	}
}

// Other clients take a chroot with each host. As one chroot it would be another
// one for each order of the hosts.
func TestURLWithManyChroots(t *testing.T) {
	for url, want := range map[string]string{
		"zk://h1:2181/apps,h2:2181/apps":            "zk://h1:2181,h2:2181/apps",
		"zks://h1/apps,h2/apps/?guard=off":          "zks://h1,h2/apps",
		"zk://h1/a/b,h2:2182/a/b,[::1]:2183/a/b":    "zk://h1,h2:2182,[::1]:2183/a/b",
		"zk://h1:2181,h2:2181/apps,h3:2181":         "zk://h1:2181,h2:2181,h3:2181/apps",
		"zk://h1:2181/,h2:2181/apps,h3:2181/x/y":    "zk://h1:2181,h2:2181,h3:2181/apps",
		"zk://h1/apps,zk://h2/apps,zk://h3:1/apps/": "zk://h1,h2,h3:1/apps",
	} {
		_, err := zookeeper.ParseURL(url)
		if err == nil || !strings.HasSuffix(err.Error(), "; want "+want) {
			t.Errorf("%s: got %v, want an error that ends with %s", url, err, want)
		}
	}
}

func TestURLWithTLS(t *testing.T) {
	for url, want := range map[string]bool{"zk://a": false, "zks://a:2281,b/apps?guard=off": true, "zkss://a": false, "zks:a": false, "zks://": false} {
		if u, err := zookeeper.ParseURL(url); u.TLS != want {
			t.Errorf("%s: got %v and error %v, want %v", url, u.TLS, err, want)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("zk://a:2182,b.example,[::1]:2183/apps/leases/?guard=off")
	f.Fuzz(func(t *testing.T, url string) {
		u, err := zookeeper.ParseURL(url)
		if err != nil {
			return
		}
		if len(u.Hosts) == 0 || u.Chroot != "" && leasehold.CheckPath(u.Chroot) != nil {
			t.Errorf("%q: got hosts %q and chroot %q", url, u.Hosts, u.Chroot)
		}
	})
}
