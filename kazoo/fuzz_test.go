package kazoo_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"leasehold.example/leasehold/kazoo"
)

func FuzzParse(f *testing.F) {
	for _, v := range load[parseVector](f, "parse") {
		if raw := v.raw(); len(raw) < 1000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := kazoo.Parse(raw)
		if err != nil {
			if r != (kazoo.Record{}) {
				t.Fatalf("%q: got %+v with the error %v, want no record", raw, r, err)
			}
			return
		}
		if y := r.End.Year(); y < 1000 {
			if out, err := r.Marshal(); err == nil {
				t.Fatalf("%q: got %s, want an error for the year %d", raw, out, y)
			}
			return
		}
		out, err := r.Marshal()
		if err != nil {
			t.Fatalf("%q: read, but not written: %v", raw, err)
		}
		if again, err := kazoo.Parse(out); err != nil || again != r {
			t.Fatalf("%q: got %+v, %v by way of %s, want %+v", raw, again, err, out, r)
		}
	})
}

func FuzzMarshal(f *testing.F) {
	for _, v := range load[marshalVector](f, "marshal") {
		f.Add(v.Holder, v.Now.Unix(), int64(v.Now.Nanosecond()), v.DurationUS*1000)
	}
	f.Add("\xff", int64(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, holder string, seconds, nanoseconds, duration int64) {
		now, d := time.Unix(seconds, nanoseconds), time.Duration(duration)
		r := kazoo.NewRecord(holder, now, d)
		if early := now.Add(d).Sub(r.End); early < 0 || early >= time.Second {
			t.Fatalf("%v + %v: got the end %v, want it less than a second early", now, d, r.End)
		}
		raw, err := r.Marshal()
		if y := r.End.Year(); y < 1000 || y > 9999 || !utf8.ValidString(holder) {
			if err == nil {
				t.Fatalf("%+v: got %s, want an error", r, raw)
			}
			return
		}
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		for _, c := range raw {
			if c < ' ' || c > '~' {
				t.Fatalf("%+v: got %q, want printable ASCII", r, raw)
			}
		}
		if parsed, err := kazoo.Parse(raw); err != nil || parsed != r {
			t.Fatalf("%s: got %+v, %v; want %+v", raw, parsed, err, r)
		}
	})
}

// The short cut of Parse takes no record for another than the whole of it does,
// which any byte more than kazoo writes brings about.
func FuzzParsePlain(f *testing.F) {
	good := `{"version": 1, "holder": "host-a", "end": "2026-11-22T18:34:12"}`
	f.Add([]byte(good))
	for i := range good {
		f.Add([]byte(good[:i] + good[i+1:]))
		f.Add([]byte(good[:i] + "+" + good[i+1:]))
		f.Add([]byte(good[:i] + "\\" + good[i:]))
	}
	for _, end := range []string{"2026-02-30T18:34:12", "0000-01-01T00:00:00", "2026-13-01T00:00:00", "2026-01-01T24:00:00", "2026-01-01T00:00:60", "2026-01-01t00:00:00", "2026-1-001T00:00:00"} {
		f.Add([]byte(`{"version": 1, "holder": "a", "end": "` + end + `"}`))
	}
	for _, holder := range []string{"", `a", "end": "b`, `a\"`, "\u00e9", "\xff", "a\x7f", "a\n"} {
		f.Add([]byte(`{"version": 1, "holder": "` + holder + `", "end": "2026-11-22T18:34:12"}`))
	}
	if _, ok := kazoo.ParsePlain([]byte(good)); !ok {
		f.Fatalf("%s: got no record, want one", good)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		plain, ok := kazoo.ParsePlain(raw)
		if !ok {
			return
		}
		r, err := kazoo.Parse(append(raw, ' ')) // not plain, and means the same
		if err != nil || r != plain {
			t.Fatalf("%q: got %+v, want %+v, %v", raw, plain, r, err)
		}
	})
}
