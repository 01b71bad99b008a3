package main

import (
	"fmt"
	"strconv"
	"strings"
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
