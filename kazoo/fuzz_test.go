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
		if r.Version != kazoo.Version {
			if r != (kazoo.Record{Version: r.Version}) {
				t.Fatalf("%q: got %+v of another version, want its version alone", raw, r)
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
