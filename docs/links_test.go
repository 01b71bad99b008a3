package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks: each relative link of the README and the documents leads to a file, and to
// a heading of it if it names one.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	readmes, err := filepath.Glob("../adapters/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`(?:\]\(|src(?:set)?=")([^)" ]+)`)
	seen := 0
	for _, page := range append(append(pages, readmes...), "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			seen++
			to := filepath.Join(filepath.Dir(page), file)
			if file == "" {
				to = page
			}
			target, err := os.ReadFile(to)
			if info, statErr := os.Stat(to); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: got the link %s, want a file: %v", page, m[1], err)
			} else if heading != "" && !hasHeading(string(target), heading) {
				t.Errorf("%s: got the link %s, want a heading of that name", page, m[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("got %d links, want all", seen)
	}
}

// hasHeading reports whether a page has the heading with that anchor: in lower case,
// with - for a blank, and without most other signs.
func hasHeading(page, anchor string) bool {
	dropped := regexp.MustCompile(`[^\w -]`)
	for line := range strings.Lines(page) {
		if title := strings.TrimLeft(line, "#"); title != line {
			title = dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			if strings.ReplaceAll(title, " ", "-") == anchor {
				return true
			}
		}
	}
	return false
}
