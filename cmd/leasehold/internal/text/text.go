// Package text makes text safe to show: names, reasons and paths are other
// people's.
package text

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable makes s safe to show: what does not print, what steers a terminal
// and what turns the direction of writing becomes an escape as in Go's
// strings. Other people choose the names of holders and paths.
func Printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case strconv.IsPrint(c):
			b.WriteRune(c)
		default:
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}

// Escape is Printable, and can be read back: a backslash is doubled.
func Escape(s string) string { return Printable(strings.ReplaceAll(s, `\`, `\\`)) }

// JSON makes lines of JSON safe to show as well, and leaves their
// meaning: encoding/json escapes none of what steers a terminal beyond ASCII.
func JSON(lines []byte) []byte {
	var b bytes.Buffer
	for _, c := range string(lines) {
		switch {
		case c == '\n' || strconv.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.Bytes()
}

// The most that is shown of a holder's name, in runes. A record may have one
// of a megabyte.
const (
	Column  = 40 // one long name must not widen the whole column
	Message = 300
)

// Cut shortens a name to that many runes.
func Cut(holder string, most int) string {
	if c := []rune(holder); len(c) > most {
		return string(c[:most-1]) + "…"
	}
	return holder
}

// Time prints t as ends are printed everywhere, "" for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Remaining prints whole seconds, and less than one as it is.
func Remaining(d time.Duration) string {
	if d < time.Second {
		return d.Truncate(time.Millisecond).String()
	}
	return d.Truncate(time.Second).String()
}
