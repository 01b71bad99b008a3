package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// printable makes s safe to show: what does not print, what steers a terminal
// and what turns the direction of writing becomes an escape as in Go's
// strings. Other people choose the names of holders and paths.
func printable(s string) string {
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

// escape is printable, and can be read back: a backslash is doubled.
func escape(s string) string { return printable(strings.ReplaceAll(s, `\`, `\\`)) }

// printableJSON makes lines of JSON safe to show as well, and leaves their
// meaning: encoding/json escapes none of what steers a terminal beyond ASCII.
func printableJSON(lines []byte) []byte {
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
