package main

import "testing"

func TestFit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		s     string
		cells int
		want  string
	}{
		{"", 5, ""},
		{"abcde", 5, "abcde"},
		{"abcdef", 5, "abcde"},
		{"zürich", 3, "zür"},
		{"東京東京", 8, "東京東京"},
		{"東京東京", 7, "東京東"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := fit(test.s, test.cells); got != test.want {
			t.Errorf("fit(%q, %d): got %q, want %q", test.s, test.cells, got, test.want)
		}
	}
}
