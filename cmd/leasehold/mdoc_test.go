package main

import (
	"fmt"
	"regexp"
	"strings"
)

// An mdoc is the source of a man page in the language mdoc(7).
type mdoc struct{ strings.Builder }

// A tagged is a term and what it means.
type tagged struct{ term, meaning string }

var (
	sentenceEnd = regexp.MustCompile(`[.?!][")]*$`)
	taggedLine  = regexp.MustCompile(`^ +(\S.*?)  +(\S.*)$`)
)

// macro writes a line of a macro and its arguments, which are macros too, or escaped.
func (m *mdoc) macro(words ...string) { fmt.Fprintln(m, "."+strings.Join(words, " ")) }

// escapeMdoc makes s one argument, or text within a line, that means itself. A plain
// hyphen would be printed as one that no shell understands.
func escapeMdoc(s string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, `"`, `\(dq`).Replace(s)
}

// filled writes s as text whose lines are broken anew. A sentence begins on a line of
// its own: what prints it knows then how much space goes before it.
func (m *mdoc) filled(s string) {
	line := ""
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
			line = word
		case sentenceEnd.MatchString(line) || len(textLine(line+" "+word)) > maxLine:
			fmt.Fprintln(m, textLine(line))
			line = word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(m, textLine(line))
}

const maxLine = 80 // bytes, of a line that mandoc finds no fault with

// textLine is a line that is no macro.
func textLine(s string) string {
	line := escapeMdoc(s)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}

// literal writes lines as they are.
func (m *mdoc) literal(lines []string) {
	m.macro("Bd", "-literal", "-offset", "indent")
	for _, line := range lines {
		fmt.Fprintln(m, textLine(strings.TrimPrefix(line, "  ")))
	}
	m.macro("Ed")
}

// list writes terms with what they mean. item writes a term.
func (m *mdoc) list(rows []tagged, item func(term string) string) {
	m.macro("Bl", "-tag", "-width", "Ds")
	for _, row := range rows {
		m.macro("It", item(row.term))
		m.filled(row.meaning)
	}
	m.macro("El")
}

// parseTagged reads indented lines of a help text as terms and meanings, two spaces
// between them. What is indented deeper goes on with the meaning above it.
func parseTagged(lines []string) (rows []tagged, ok bool) {
	indented := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	for _, line := range lines {
		switch found := taggedLine.FindStringSubmatch(line); {
		case len(rows) > 0 && indented(line) > indented(lines[0]):
			rows[len(rows)-1].meaning += " " + strings.TrimSpace(line)
		case found == nil:
			return nil, false
		default:
			rows = append(rows, tagged{found[1], found[2]})
		}
	}
	return rows, true
}

// A block is lines of a help text of one kind: filled, or indented.
type block struct {
	lines    []string
	indented bool
}

// blocks divides a help text. Paragraphs are apart by an empty line, and indented lines
// from what is above them; examples have empty lines within them.
func blocks(help string) (all []block) {
	apart := true
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		last := len(all) - 1
		switch {
		case line == "":
			apart = true
			continue
		case last >= 0 && indented && all[last].indented && apart:
			all[last].lines = append(all[last].lines, "", line)
		case apart || indented != all[last].indented:
			all = append(all, block{[]string{line}, indented})
		default:
			all[last].lines = append(all[last].lines, line)
		}
		apart = false
	}
	return all
}

// prose writes a help text.
func (m *mdoc) prose(help string) {
	for i, b := range blocks(help) {
		rows, isTable := parseTagged(b.lines)
		switch {
		case !b.indented:
			if i > 0 {
				m.macro("Pp")
			}
			m.filled(strings.Join(b.lines, " "))
		case isTable:
			m.list(rows, escapeMdoc)
		default:
			m.literal(b.lines)
		}
	}
}
