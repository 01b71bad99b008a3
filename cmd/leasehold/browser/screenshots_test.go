package browser

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "the `folder` to write screenshots to, in place of a temporary one")

// TestScreenshots makes those of the documents: make screenshots.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := *screenshots
	if dir == "" {
		dir = t.TempDir()
	}
	f := newFake(t, someJobs()...)
	f.view.Prefix = "/"
	for _, shot := range []struct {
		name, page    string
		width, height int64
	}{
		{"fleet", "", 1280, 760},
		{"lease", "lease/db/vacuum", 1280, 760},
		{"phone", "", 390, 844},
	} {
		for _, theme := range []string{"light", "dark"} {
			b := open(t, look{width: shot.width, dark: theme == "dark"})
			b.run(chromedp.EmulateViewport(shot.width, shot.height))
			b.goTo(f.url(shot.page))
			b.until(isLive)
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, shot.name+"-"+theme+".png"), small(t, picture), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// small returns a PNG with the 256 colors that are most common in it: that is all but
// some of the shades at the edges of letters.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[color.Color]int)
	at := full.Bounds()
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	few := image.NewPaletted(at, colors[:min(256, len(colors))])
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			few.Set(x, y, full.At(x, y)) // the nearest
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, few); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
