package browser

import (
	"flag"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "the folder to write screenshots to")

func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.SkipNow()
	}
	f := newFake(t, someJobs()...)
	for _, width := range []int64{1280, 390} {
		for theme, dark := range map[string]bool{"light": false, "dark": true} {
			b := open(t, look{width: width, dark: dark})
			for name, path := range map[string]string{"fleet": "", "lease": "lease/db/vacuum", "lease2": "lease/billing/invoices?confirm=pause", "slots": "lease/workers/resize", "none": "lease/x"} {
				b.goTo(f.url(path))
				b.until(`document.getElementById("status").className === "live"`)
				png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				w := "wide"
				if width < 1000 {
					w = "narrow"
				}
				if err := os.WriteFile(*screenshots+"/"+name+"-"+w+"-"+theme+".png", png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b.wantNoFaults()
		}
	}
}
