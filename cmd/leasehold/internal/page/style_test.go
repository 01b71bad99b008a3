package page_test

import (
	"math"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"leasehold.example/leasehold/cmd/leasehold/internal/page"
)

func static(t *testing.T, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	page.Static().ServeHTTP(w, httptest.NewRequest("GET", "/"+name, nil))
	if w.Code != 200 {
		t.Fatalf("got the status %d, want %s", w.Code, name)
	}
	return w.Body.String()
}

// Every text can be read on every ground, in both themes: WCAG 2.2, 1.4.3.
func TestContrast(t *testing.T) {
	t.Parallel()
	themes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(static(t, "page.css"), -1)
	if len(themes) != 2 {
		t.Fatalf("got %d themes, want a light and a dark one", len(themes))
	}
	for i, theme := range themes {
		colors := make(map[string]float64)
		for _, m := range regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(theme[1], -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		pairs := [][2]string{{"loud", "on-loud"}}
		for _, text := range []string{"text", "muted", "link", "bad", "warn", "good"} {
			pairs = append(pairs, [2]string{"ground", text}, [2]string{"raised", text})
		}
		for _, pair := range pairs {
			ground, ok := colors[pair[0]]
			text, isThere := colors[pair[1]]
			ratio := (max(ground, text) + 0.05) / (min(ground, text) + 0.05)
			if !ok || !isThere || ratio < 4.5 {
				t.Errorf("theme %d: got %s on %s with a contrast of %.2f, want 4.5", i, pair[1], pair[0], ratio)
			}
		}
	}
}

// luminance is the relative luminance of WCAG.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(color[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(value) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// No color is used but those that TestContrast looks at.
func TestNoOtherColors(t *testing.T) {
	t.Parallel()
	css := regexp.MustCompile(`--[\w-]+: #[0-9a-f]{6};`).ReplaceAllString(static(t, "page.css"), "")
	if other := regexp.MustCompile(`#[0-9a-f]{3,8}\b[^{]*;|rgb|hsl|opacity`).FindString(css); other != "" {
		t.Errorf("got %q, want a variable", other)
	}
}
