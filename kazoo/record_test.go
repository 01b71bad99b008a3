package kazoo_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/kazoo"
)

func TestMarshalAsKazooDoes(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, time.FixedZone("east", 5*3600+1800), time.FixedZone("odd", -12*3600-7)}
	for _, v := range load[marshalVector](t, "marshal") {
		d := time.Duration(v.DurationUS) * time.Microsecond
		if v.Raises != "" || v.Read.Raises != "" { // kazoo can't write it, or not so that it can be read
			if got, err := kazoo.NewRecord(v.Holder, v.Now, d).Marshal(); err == nil {
				t.Errorf("%v + %v: got %s, want an error, as kazoo raises %s%s", v.Now, d, got, v.Raises, v.Read.Raises)
			}
			continue
		}
		for _, zone := range zones {
			r := kazoo.NewRecord(v.Holder, v.Now.In(zone), d)
			got, err := r.Marshal()
			if err != nil || string(got) != v.Record {
				t.Errorf("holder %.80q, %v + %v: got %.300s, %v; want %.300s", v.Holder, v.Now.In(zone), d, got, err, v.Record)
			}
			if diff := v.Read.differs(r); diff != "" && r.Holder != "" {
				t.Errorf("holder %.80q, %v + %v: not what kazoo would read: %s", v.Holder, v.Now, d, diff)
			}
		}
	}
}

func TestMarshalCutsOffWhatNewRecordDidNot(t *testing.T) {
	t.Parallel()
	r := kazoo.Record{Holder: "host-a", End: time.Date(2026, 11, 22, 18, 34, 12, 999_999_999, time.UTC)}
	const want = `{"version": 1, "holder": "host-a", "end": "2026-11-22T18:34:12"}`
	if got, err := r.Marshal(); err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestMarshalRefusesHoldersThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"} {
		if got, err := kazoo.NewRecord(holder, time.Unix(1e9, 0), time.Hour).Marshal(); err == nil {
			t.Errorf("%q: got %s, want an error", holder, got)
		}
	}
}

func TestReleased(t *testing.T) {
	t.Parallel()
	r := kazoo.NewRecord("host-a", time.Unix(1e9, 0), time.Hour)
	if r.IsReleased() {
		t.Error("a new record: got released, want not")
	}
	const want = `{"version": 1, "holder": "host-a", "end": "1970-01-01T00:00:00"}`
	raw, err := r.Released().Marshal()
	if err != nil || string(raw) != want {
		t.Errorf("got %s, %v; want %s", raw, err, want)
	}
	parsed, err := kazoo.Parse(raw)
	if err != nil || !parsed.IsReleased() {
		t.Errorf("a released record, parsed: got %v, %v; want it released", parsed, err)
	}
}

// onlyPythonReads are the vectors that kazoo can read (or refuse as of another
// version) and Parse refuses. The list is closed: whatever else kazoo reads,
// Parse must read.
var onlyPythonReads = map[string]bool{
	// the version is no integer: kazoo takes true and 1.0 for 1, and refuses for the others
	`version 'true'`:                      true,
	`version 'false'`:                     true,
	`version 'null'`:                      true,
	`version '1.0'`:                       true,
	`version '1e0'`:                       true,
	`version '10e-1'`:                     true,
	`version '1.00000000000000000001'`:    true,
	`version '"1"'`:                       true,
	`version '""'`:                        true,
	`version '1.5'`:                       true,
	`version '2.0'`:                       true,
	`version '1e400'`:                     true,
	`version 'NaN'`:                       true,
	`version 'Infinity'`:                  true,
	`version '-Infinity'`:                 true,
	`version '[]'`:                        true,
	`version '[1]'`:                       true,
	`version '{}'`:                        true,
	`version 1.5 and nothing else`:        true,
	`version 1.5, the rest of odd types`:  true,
	`version "1" and nothing else`:        true,
	`version "1", the rest of odd types`:  true,
	`version null and nothing else`:       true,
	`version null, the rest of odd types`: true,
	`version null at last`:                true,
	`version again as true`:               true,
	// NaN and Infinity are not JSON
	`version 2, NaN elsewhere`: true,
	`extra key NaN`:            true,
	`extra key -Infinity`:      true,
	`extra key [NaN]`:          true,
	// the holder is no string
	`holder null`:         true,
	`holder true`:         true,
	`holder 0`:            true,
	`holder 1.5`:          true,
	`holder []`:           true,
	`holder {}`:           true,
	`holder ["host-a"]`:   true,
	`holder NaN`:          true,
	`holder null at last`: true,
	`holder again as 7`:   true,
	// half of a surrogate pair
	`holder text '\\ud800'`:               true,
	`holder text '\\udc00'`:               true,
	`holder text '\\ude00\\ud83d'`:        true,
	`holder text '\\ud83d\\ud83d\\ude00'`: true,
	`holder text '\\ud83d\\ude00\\ude00'`: true,
	`holder text '\\ud83dx\\ude00'`:       true,
	`holder text '\\ud83d\\\\ude00'`:      true,
	`holder text '\\\\ud83d\\ude00'`:      true,
	`holder text '\\ud83d\\n\\ude00'`:     true,
	`holder text '\\ud83d\\u0041'`:        true,
	`holder text '\\ud83d\U0001f600'`:     true,
	// digits that are not ASCII
	`end text '\u0662\u0660\u0662\u0666-11-22T18:34:12'`: true,
	`end text '202\u0666-11-22T18:34:12'`:                true,
	`end text '2026-11-2\u0662T18:34:12'`:                true,
	`end text '2026-11-22T1\u0668:34:12'`:                true,
	`end text '2026-11-22T18:3\u0664:12'`:                true,
	`end text '2026-11-22T18:34:1\u0662'`:                true,
	`end text '2026-11-22T\u0668:34:12'`:                 true,
	`end text '2026-11-22T18:34:\u0662'`:                 true,
	`end text '202\uff16-11-22T18:34:12'`:                true,
	`end text '2026-11-22T18:34:1\U0001d7d0'`:            true,
	// so deep that it depends on where kazoo is called from
	`lists 600 deep`: true,
}

func TestParseAsKazooDoes(t *testing.T) {
	t.Parallel()
	missing := maps.Clone(onlyPythonReads)
	counts := map[bool]int{}
	for _, v := range load[parseVector](t, "parse") {
		r, err := kazoo.Parse(v.raw())
		listed := onlyPythonReads[v.Name]
		delete(missing, v.Name)
		counts[err == nil]++
		switch {
		case err == nil && listed:
			t.Errorf("%s: got %+v, want an error, as onlyPythonReads says", v.Name, r)
		case err == nil:
			if diff := v.Read.differs(r); diff != "" {
				t.Errorf("%s: %s", v.Name, diff)
			}
		case r != kazoo.Record{}:
			t.Errorf("%s: got %+v with the error %v, want no record", v.Name, r, err)
		case v.Read.Raises == "" && !listed:
			if wrong := v.Read.refusal(err); wrong != "" {
				t.Errorf("%s: %s", v.Name, wrong)
			}
		}
		if err != nil && (len(err.Error()) > 200 || strings.ContainsFunc(err.Error(), isControl)) {
			t.Errorf("%s: got the error %q, want a short line that is fit to print", v.Name, err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("onlyPythonReads has names of no vector: %q", slices.Sorted(maps.Keys(missing)))
	}
	if counts[true] < 50 || counts[false] < 200 {
		t.Errorf("got %d vectors read and %d refused, want at least 50 and 200", counts[true], counts[false])
	}
}

func isControl(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }
