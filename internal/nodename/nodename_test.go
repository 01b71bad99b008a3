package nodename

import (
	"regexp"
	"testing"
)

func FuzzIsGrant(f *testing.F) {
	const good = "grant-0123456789abcdef-0000000042"
	f.Add(good)
	for i := range len(good) {
		f.Add(good[:i] + good[i+1:])
		f.Add(good[:i] + "g" + good[i+1:])
		f.Add(good[:i] + "\n" + good[i:])
	}
	f.Add(Grant("0123456789abcdef") + "0000000001")
	pattern := regexp.MustCompile(`^grant-[0-9a-f]{16}-[0-9]{10}$`)
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := IsGrant(name), pattern.MatchString(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	})
}
