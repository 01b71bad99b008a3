package kazoo_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/kazoo"
)

// A livePython is one process that answers what kazoo does with one record
// after another.
type livePython struct {
	requests chan<- string
	answers  *bufio.Reader
}

func startPython(t *testing.T) *livePython {
	t.Helper()
	python := requireKazoo(t)
	cmd := exec.CommandContext(t.Context(), python, "-B", filepath.Join("testdata", "vectors.py"), "answer")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	requests := make(chan string, 64) // Python works while we compare
	written := make(chan error, 1)
	go func() {
		var failed error
		for request := range requests {
			if _, err := fmt.Fprintln(in, request); err != nil && failed == nil {
				failed = err
			}
		}
		in.Close()
		written <- failed
	}()
	t.Cleanup(func() {
		close(requests)
		if err := <-written; err != nil {
			t.Errorf("write to Python: %v", err)
		}
		_ = cmd.Wait() // killed by t.Context, or at its end of file
	})
	return &livePython{requests: requests, answers: bufio.NewReaderSize(out, 1<<20)}
}

type question struct {
	raw    []byte
	holder string
	now    time.Time
}

func (p *livePython) ask(q question) {
	encode := base64.StdEncoding.EncodeToString
	p.requests <- encode(q.raw) + " " + encode([]byte(q.holder)) + " " + q.now.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func (p *livePython) answer(t *testing.T) (read pythonRead, verdict string) {
	t.Helper()
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		t.Fatalf("Python's answer: %v", err)
	}
	var a struct {
		Read    pythonRead
		Verdict string
	}
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatalf("Python's answer %q: %v", line, err)
	}
	return a.Read, a.Verdict
}

// mutations are what a record is spoiled with: what JSON, Python or dates give
// a meaning to.
var mutations = strings.Split(`{ } [ ] " , : \ \\ \" \n \u \u0000 \ud83d \ude00 \u0065 \u0041 0 1 2 9 60 -0 +1 01 1.0 1e0 - + . e E T t Z z : / null `+
	`true false NaN Infinity -Infinity "version" "holder" "end" "END" "Version" "version":2, "end":"1970-01-01T00:00:00", "x":0, host-a host-b `+
	`2026 0000 9999 02-30 11-22 1-2 18:34:12 3:4:5 `+"\x00 \x1f \x7f \x80 \xff \xc0\x80 \xed\xa0\xbd \xf0\x9f\x98\x80 \xef\xbb\xbf \u0662 \uff12 \u0661 \u2028 \u00a0 \u0085 \ufb05", " ")

func mutate(random *rand.Rand, raw []byte) []byte {
	raw = append([]byte(nil), raw...)
	for range 1 + random.IntN(3) {
		i := random.IntN(len(raw) + 1)
		j := min(len(raw), i+random.IntN(4))
		piece := []byte(mutations[random.IntN(len(mutations))])
		switch random.IntN(8) {
		case 0: // cut out
			piece = nil
		case 1: // insert
			j = i
		case 2: // repeat a stretch
			j = min(len(raw), i+random.IntN(40))
			piece = append(append([]byte(nil), raw[i:j]...), raw[i:j]...)
		case 3: // white space, which both take for nothing
			j, piece = i, []byte{" \t\r\n\n\v"[random.IntN(6)]}
		case 4: // another byte
			piece = []byte{byte(random.IntN(256))}
		case 5: // escape one character
			if j = min(len(raw), i+1); i < j && raw[i] < 0x80 {
				piece = fmt.Appendf(nil, `\u%04x`, raw[i])
			}
		}
		raw = append(raw[:i:i], append(piece, raw[j:]...)...)
	}
	return raw
}

// TestParseAgainstLivePython holds Parse and Decide to kazoo on thousands of
// spoiled records: what Go reads, Python reads and so; what Go grants, Python
// grants. LEASEHOLD_SEED repeats a run.
func TestParseAgainstLivePython(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LEASEHOLD_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LEASEHOLD_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	var seeds [][]byte
	for _, v := range load[parseVector](t, "parse") {
		if raw := v.raw(); len(raw) < 300 {
			seeds = append(seeds, raw)
		}
	}
	plain := []byte(`{"version": 1, "holder": "host-a", "end": "2026-11-22T18:34:12"}`)
	end := time.Date(2026, 11, 22, 18, 34, 12, 0, time.UTC)
	moments := []time.Time{end.Add(-time.Microsecond), end, end.AddDate(-2000, 0, 0), end.AddDate(7000, 0, 0)}

	const rounds, batch = 5000, 50
	live := startPython(t)
	reads, grants := 0, 0
	for range rounds / batch {
		var questions [batch]question
		for i := range questions {
			base := plain
			if random.IntN(2) == 0 {
				base = seeds[random.IntN(len(seeds))]
			}
			holder := []string{"host-a", "host-b"}[random.IntN(2)]
			questions[i] = question{mutate(random, base), holder, moments[random.IntN(len(moments))]}
			live.ask(questions[i])
		}
		for _, q := range questions {
			read, verdict := live.answer(t)
			r, err := kazoo.Parse(q.raw)
			if newer := (*kazoo.VersionError)(nil); errors.As(err, &newer) {
				reads++
				if wrong := read.refusal(err); wrong != "" {
					t.Errorf("%q: %s", q.raw, wrong)
				}
				if verdict == "obtained" {
					t.Errorf("%q, asked by %s at %v: got %v, want a grant as kazoo's", q.raw, q.holder, q.now, err)
				}
			}
			if err != nil {
				continue
			}
			reads++
			if diff := read.differs(r); diff != "" {
				t.Errorf("%q: %s", q.raw, diff)
			}
			want := kazoo.Decide(&r, q.holder, q.now) == kazoo.Grant
			if want != (verdict == "obtained") {
				t.Errorf("%q, asked by %s at %v: got grant %v, want what kazoo says: %s", q.raw, q.holder, q.now, want, verdict)
			}
			if want {
				grants++
			}
		}
	}
	if reads < rounds/20 || grants < rounds/50 {
		t.Errorf("of %d records got %d read and %d granted, want enough of each to compare", rounds, reads, grants)
	}
}
