package kazoo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Version is the version of the records that kazoo writes, and Leasehold.
const Version = 1

// A VersionError means that a record has another version: a newer program wrote
// it. It refuses everybody, whatever its end and whoever its holder.
type VersionError struct {
	Version string // as the record has it, abbreviated
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("its version is %s, this program knows %d", e.Version, Version)
}

// dateFormat is kazoo's "%Y-%m-%dT%H:%M:%S" as strftime writes it.
const dateFormat = "2006-01-02T15:04:05"

// A Record says who has a lease and until when.
type Record struct {
	Holder string // valid UTF-8
	End    time.Time
}

// NewRecord returns the record that grants holder the lease from now on for d.
// Its End is UTC, cut off to whole seconds as kazoo does, so it can be up to
// one second early.
func NewRecord(holder string, now time.Time, d time.Duration) Record {
	return Record{Holder: holder, End: now.Add(d).UTC().Truncate(time.Second)}
}

// Released returns r as a released lease: its end is long past, so that
// anybody may take it.
func (r Record) Released() Record {
	r.End = time.Unix(0, 0).UTC()
	return r
}

// IsReleased reports whether r was given up before its end.
func (r Record) IsReleased() bool { return r.End.Unix() == 0 }

// Marshal returns the record as Python's json.dumps prints it. It fails if the
// year of End is not one of 1000 to 9999, which kazoo can't write so that it
// could be read again, or if Holder is not valid UTF-8.
func (r Record) Marshal() ([]byte, error) {
	end := r.End.UTC()
	if y := end.Year(); y < 1000 || y > 9999 {
		return nil, fmt.Errorf("end in the year %d, want 1000 to 9999", y)
	}
	if !utf8.ValidString(r.Holder) {
		return nil, errors.New("holder is not valid UTF-8")
	}
	b := append([]byte(`{"version": `), strconv.Itoa(Version)...)
	b = append(b, `, "holder": `...)
	b = appendPythonString(b, r.Holder)
	b = append(b, `, "end": "`...)
	b = end.AppendFormat(b, dateFormat)
	return append(b, `"}`...), nil
}

// appendPythonString appends s as json.dumps does with ensure_ascii: printable
// ASCII as it is, all else escaped, in UTF-16 code units.
func appendPythonString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c >= ' ' && c <= '~':
			b = append(b, byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\b':
			b = append(b, `\b`...)
		case c >= 0x10000:
			c -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(b, '"')
}

// Parse reads a record. It reads what kazoo reads, except for a few things
// that no writer of records makes (a version of true or 1.0, NaN, non-ASCII
// digits, lone surrogates, a holder that is no string, values nested hundreds
// deep): those are errors too, and so never a free lease. What kazoo fails to
// read is always an error.
//
// A record of another version is a [*VersionError], whatever else is in it.
// Keys match exactly, the last of equal keys counts, unknown ones are ignored.
func Parse(data []byte) (Record, error) {
	if r, ok := parsePlain(data); ok {
		return r, nil
	}
	if !utf8.Valid(data) {
		return Record{}, errors.New("not UTF-8")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Record{}, errors.New("empty")
	}
	var fields map[string]json.RawMessage // a struct would match keys in any case
	if err := json.Unmarshal(data, &fields); err != nil {
		return Record{}, fmt.Errorf("not a JSON object: %w", err)
	}
	if fields == nil {
		return Record{}, errors.New("not a JSON object: null")
	}
	if err := checkLimits(data); err != nil {
		return Record{}, err
	}
	if err := checkVersion(fields["version"]); err != nil {
		return Record{}, err
	}
	holder, err := parseString(fields, "holder")
	if err != nil {
		return Record{}, err
	}
	date, err := parseString(fields, "end")
	if err != nil {
		return Record{}, err
	}
	end, err := parseDate(date)
	if err != nil {
		return Record{}, err
	}
	return Record{Holder: holder, End: end}, nil
}

// parsePlain reads what Marshal writes for a holder that needs no escapes, which
// almost every record is. ok is false for all else, be it good or bad.
func parsePlain(data []byte) (r Record, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"version": 1, "holder": "`))
	if !ok {
		return r, false
	}
	holder, rest, ok := bytes.Cut(rest, []byte(`", "end": "`))
	if !ok || bytes.ContainsFunc(holder, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		return r, false
	}
	date, ok := bytes.CutSuffix(rest, []byte(`"}`))
	if !ok || len(date) != len(dateFormat) {
		return r, false
	}
	var n [6]int
	for i, from := range []int{0, 5, 8, 11, 14, 17} {
		to := from + 2
		if from == 0 {
			to = 4
		}
		n[i], _ = strconv.Atoi(string(date[from:to])) // what is no number makes another date
	}
	end := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if n[0] == 0 || string(end.AppendFormat(nil, dateFormat)) != string(date) {
		return r, false
	}
	return Record{Holder: string(holder), End: end}, true
}

// The patterns are for what parsePlain does not read, so most programs need
// none of them.
var integer = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-?[0-9]+$`) })

func checkVersion(raw json.RawMessage) error {
	if raw == nil {
		return errors.New(`no "version"`)
	}
	if !integer().Match(raw) {
		return fmt.Errorf(`"version" is %s, want an integer`, abbreviate(raw))
	}
	if v, err := strconv.ParseInt(string(raw), 10, 64); err != nil || v != Version {
		return &VersionError{abbreviate(raw)}
	}
	return nil
}

func parseString(fields map[string]json.RawMessage, key string) (string, error) {
	raw, ok := fields[key]
	if !ok {
		return "", fmt.Errorf("no %q", key)
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("%q is %s, want a string", key, abbreviate(raw))
	}
	if hasLoneSurrogate(raw) { // which json.Unmarshal would replace by U+FFFD
		return "", fmt.Errorf("%q has half of a surrogate pair", key)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%q: %w", key, err)
	}
	return s, nil
}

// hasLoneSurrogate looks for a \ud800 to \udfff escape outside a pair in a
// valid JSON string.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the escape just before was the first half of a pair
	for i := 0; i < len(raw); {
		unit := uint64(0)
		switch {
		case raw[i] != '\\':
			i++
		case raw[i+1] != 'u':
			i += 2
		default:
			unit, _ = strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
			i += 6
		}
		isHigh := unit >= 0xd800 && unit < 0xdc00
		isLow := unit >= 0xdc00 && unit < 0xe000
		if high != isLow {
			return true
		}
		high = isHigh
	}
	return false
}

// date is what strptime takes for "%Y-%m-%dT%H:%M:%S": one digit will do but
// for the year, a day may be padded with a space, and case does not matter.
var date = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{4})-(1[0-2]|0[1-9]|[1-9])-(3[01]|[12]\d|0[1-9]|[1-9]| [1-9])[Tt](2[0-3]|[01]\d|\d):([0-5]\d|\d):([0-5]\d|\d)$`)
})

func parseDate(s string) (time.Time, error) {
	m := date().FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, fmt.Errorf(`"end" is %s, want a date like 2026-11-22T18:34:12`, abbreviate([]byte(strconv.Quote(s))))
	}
	var n [6]int
	for i := range n {
		n[i], _ = strconv.Atoi(strings.TrimSpace(m[i+1])) // the pattern lets only digits pass
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if n[0] == 0 || t.Day() != n[2] { // time.Date turns a February 30 into March
		return time.Time{}, fmt.Errorf(`"end" is %q, which is no date of the calendar`, s)
	}
	return t, nil
}

// abbreviate keeps error messages short, and printable, whatever the record.
func abbreviate(raw []byte) string {
	const most = 40
	s := strconv.QuoteToASCII(string(raw))
	s = s[1 : len(s)-1]
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
