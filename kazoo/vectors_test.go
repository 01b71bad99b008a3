package kazoo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/kazoo"
)

// requireKazoo returns the Python that has the real kazoo. It fails the test,
// rather than skipping it, where that is missing.
func requireKazoo(t *testing.T) (python string) {
	t.Helper()
	python, err := testpair.Python()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, "-c", "import kazoo.recipe.lease").CombinedOutput(); err != nil {
		t.Fatalf("%s can't import kazoo.recipe.lease: %v\n%s\nmake deps (or make deps-newest) installs it", python, err, out)
	}
	return python
}

// A marshalVector is what kazoo writes when it grants a lease.
type marshalVector struct {
	Holder     string
	Now        time.Time
	DurationUS int64 `json:"duration_us"`
	Record     string
	Read       pythonRead
	Raises     string
}

// A parseVector is a record and what kazoo makes of it.
type parseVector struct {
	Name   string
	Text   string
	Base64 []byte // instead of Text, if it is not UTF-8
	Fill   string // replaces %s in Text, Times times over
	Times  int
	Read   pythonRead
	Rule   []ruleVector
}

func (v parseVector) raw() []byte {
	switch {
	case v.Base64 != nil:
		return v.Base64
	case v.Times != 0:
		return []byte(strings.ReplaceAll(v.Text, "%s", strings.Repeat(v.Fill, v.Times)))
	}
	return []byte(v.Text)
}

// A ruleVector is what kazoo decides on one record.
type ruleVector struct {
	Holder  string
	Now     time.Time
	Verdict string // "obtained", "refused", or the exception
}

// A pythonRead is what kazoo gets to see of a record.
type pythonRead struct {
	Raises       string
	Version      json.RawMessage
	OtherVersion bool `json:"other_version"` // then there is no more
	End          time.Time
	Holder       *string
	HolderSHA256 string `json:"holder_sha256"`
	OddHolder    string `json:"odd_holder"` // no string, or one that is not UTF-8
}

// refusal says what is wrong with an error of Go's for a record that Python has
// read, "" if nothing is.
func (p pythonRead) refusal(err error) string {
	var newer *kazoo.VersionError
	switch {
	case !errors.As(err, &newer) || !p.OtherVersion:
		return fmt.Sprintf("got the error %v, want what kazoo reads: %+v", err, p)
	case len(newer.Version) <= 40 && strings.Replace(newer.Version, "-0", "0", 1) != string(p.Version): // else it is abbreviated
		return fmt.Sprintf("got the version %s, want %s", newer.Version, p.Version)
	}
	return ""
}

// differs says how what Go has read differs from what Python has, "" if it
// doesn't.
func (p pythonRead) differs(r kazoo.Record) string {
	switch {
	case p.Raises != "":
		return "Python raises " + p.Raises
	case p.OtherVersion || string(p.Version) != strconv.Itoa(kazoo.Version):
		return fmt.Sprintf("got a record, want an error for the version %s", p.Version)
	case !r.End.Equal(p.End):
		return fmt.Sprintf("end: got %v, want %v", r.End, p.End)
	case r.End.Location() != time.UTC:
		return fmt.Sprintf("end: got location %v, want UTC", r.End.Location())
	case p.OddHolder != "":
		return fmt.Sprintf("holder: got %q, want %s", r.Holder, p.OddHolder)
	case p.HolderSHA256 != "":
		if sum := sha256.Sum256([]byte(r.Holder)); hex.EncodeToString(sum[:]) != p.HolderSHA256 {
			return fmt.Sprintf("holder: got %d bytes of SHA-256 %x, want %s", len(r.Holder), sum, p.HolderSHA256)
		}
		return ""
	case p.Holder == nil || *p.Holder != r.Holder:
		return fmt.Sprintf("holder: got %q, want %v", r.Holder, p.Holder)
	}
	return ""
}

func load[V any](t testing.TB, name string) []V {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []V
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatalf("%s.json: %v", name, err)
	}
	if len(vectors) < 30 {
		t.Fatalf("%s.json: got %d vectors, want all of them", name, len(vectors))
	}
	return vectors
}

// TestVectorsAreKazoos holds the committed vectors to the kazoo installed here.
func TestVectorsAreKazoos(t *testing.T) {
	t.Parallel()
	python := requireKazoo(t)
	dir := t.TempDir()
	if out, err := exec.Command(python, "-B", filepath.Join("testdata", "vectors.py"), "write", dir).CombinedOutput(); err != nil {
		t.Fatalf("vectors.py: %v\n%s", err, out)
	}
	for _, name := range []string{"marshal.json", "parse.json", "names.json"} {
		got, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, want) {
			continue
		}
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Errorf("testdata/%s, line %d is stale: got %.300s\nwant %.300s", name, i+1, gotLines[i], wantLines[i])
				break
			}
		}
		t.Errorf("testdata/%s: got %d lines, want %d; write it anew with vectors.py write", name, len(gotLines), len(wantLines))
	}
}
