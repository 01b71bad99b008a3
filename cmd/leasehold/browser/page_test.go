package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

const isLive = `document.getElementById("status").textContent === "Live"`

// isShown is true if the row of path is there.
func isShown(path string) string { return fmt.Sprintf("!!document.getElementById(%q)", "lease"+path) }

// paths returns the paths of the rows.
func (b *tab) paths() []string {
	return eval[[]string](b, `[...document.querySelectorAll(".fleet tbody th a")].map((a) => a.textContent)`)
}

func (b *tab) wantPaths(want ...string) {
	b.t.Helper()
	if got := b.paths(); !slices.Equal(got, want) {
		b.t.Errorf("got the rows %q, want %q", got, want)
	}
}

func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.run(chromedp.KeyEvent(key))
	}
}

// follow clicks the link of that text, and waits for the page it leads to.
func (b *tab) follow(text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](`document.body.dataset.left = "yes"`),
		chromedp.Click(fmt.Sprintf(`//a[normalize-space()=%q]`, text)))
	b.until(`document.readyState === "complete" && !document.body.dataset.left`)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for _, l := range []look{{width: 1280}, {width: 390, noScript: true}} {
		f := newFake(t, someJobs()...)
		b := open(t, l)
		b.goTo(f.url(""))
		if got, want := b.paths()[:4], []string{"/reports/hourly", "/billing/invoices", "/services/legacy", "/db/vacuum"}; !slices.Equal(got, want) {
			t.Errorf("got %q first, want late, failed, unreadable and running: %q", got, want)
		}
		b.follow("1 late")
		b.wantPaths("/reports/hourly")
		b.follow("17 all")
		b.run(chromedp.SendKeys(chromedp.CSS("#q"), "/DB/"+kb.Enter))
		b.until(`location.search === "?q=%2FDB%2F" && document.readyState === "complete"`)
		b.wantPaths("/db/vacuum", "/db/backup")
		b.follow("/db/backup")
		if got, want := eval[string](b, `document.querySelector("h1").textContent`), "/db/backup"; got != want {
			t.Errorf("got the page of %q, want %q", got, want)
		}
		b.follow("Leasehold")
		b.follow("/services/scheduler")
		b.wantNoFaults()
	}
}

// What changes is shown, and what the user does with the page stays as it is.
func TestGoesLive(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 390})
	b.goTo(f.url(""))
	b.until(isLive)
	eval[bool](b, `(() => {
		const row = document.getElementById("lease/mail/digest"); // of a page that is longer than the screen
		row.querySelector("a").focus();
		row.scrollIntoView();
		getSelection().selectAllChildren(row.querySelector("bdi"));
		window.kept = { row, y: scrollY };
		return true;
	})()`)
	f.change(func() { f.jobs = append(f.jobs, lease("/a/new", "app-9")) })
	b.until(isShown("/a/new"))
	f.change(func() {
		f.jobs = slices.DeleteFunc(f.jobs, func(j *jobs.Job) bool { return j.Path == "/workers/resize/0" })
	})
	b.until("!" + isShown("/workers/resize/0"))
	f.change(func() {
		i := slices.IndexFunc(f.jobs, func(j *jobs.Job) bool { return j.Path == "/services/leader" })
		f.jobs[i] = lease("/services/leader", "app-7")
	})
	b.until(`document.getElementById("lease/services/leader").innerText.includes("app-7")`)
	for what, expression := range map[string]string{
		"the focus":     `document.activeElement === kept.row.querySelector("a")`,
		"the selection": `getSelection().toString() === "/mail/digest"`,
		"the element":   `document.getElementById("lease/mail/digest") === kept.row`,
		"the place":     `scrollY > 0 && Math.abs(scrollY - kept.y) < 100`,
	} {
		if !eval[bool](b, expression) {
			t.Errorf("got another one, want %s kept", what)
		}
	}
	if got, want := eval[string](b, "document.title"), "1 late, 1 failed, 1 unreadable – Leasehold"; got != want {
		t.Errorf("got the title %q, want %q", got, want)
	}
	b.wantNoFaults()
}

// Time alone makes a tick late: the page is fetched anew when that is.
func TestTimeGoesOn(t *testing.T) {
	t.Parallel()
	f := newFake(t, lease("/b", "app-1"), job("/a", "20 * * * *", "s"))
	start := time.Now()
	f.change(func() {
		f.now = func() time.Time { return noon.Add(time.Hour + 9*time.Minute + 15*time.Second).Add(time.Since(start)) } // 3 s before the grace is over
	})
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	b.until(`document.title === "1 late – Leasehold"`)
	b.until(`document.querySelector("#lease\\/b [data-since]").textContent.startsWith("1h")`)
	b.wantNoFaults()
}

func TestSaysWhenItIsNotUpToDate(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	says := func(text string) string {
		return fmt.Sprintf(`document.getElementById("status").textContent.startsWith("Not up to date since ") &&
			document.getElementById("status").textContent.endsWith(%q) && document.getElementById("status").className === "stale"`, text)
	}
	b.until(isLive)
	f.change(func() { f.view.UnknownSince = noon.Add(-time.Minute) })
	b.until(says("12:19:42 UTC: the store can't be reached"))
	f.change(func() { f.view.UnknownSince = time.Time{} })
	b.until(isLive)

	f.set(&f.mute, true)
	b.until(says("no connection"))
	for start, before := time.Now(), f.connected(); f.connected() == before; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("got no other connection in place of one that is silent")
		}
	}
	f.set(&f.mute, false)
	b.until(isLive)

	f.set(&f.broken, true)
	f.change(func() { f.jobs = append(f.jobs, lease("/a/new", "app-9")) })
	b.until(says("the page can't be fetched"))
	f.set(&f.broken, false)
	b.until(isLive)
	b.until(isShown("/a/new"))

	f.set(&f.gone, true)
	f.CloseClientConnections()
	b.until(says("no connection"))
	f.change(func() { f.jobs = append(f.jobs, lease("/a/newer", "app-9")) })
	f.set(&f.gone, false)
	b.until(isShown("/a/newer"))
	b.until(isLive)
	b.wantNoFaults("Failed to load resource", "net::ERR_")
}

// A browser has few connections: a page that nobody sees gives its own back.
func TestUnseenPage(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	b.until(isLive)
	turn := func(hidden bool) {
		eval[bool](b, fmt.Sprintf(`(() => {
			Object.defineProperty(document, "hidden", { value: %t, configurable: true });
			return document.dispatchEvent(new Event("visibilitychange"));
		})()`, hidden))
	}
	turn(true)
	for start := time.Now(); f.listening() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("got the connection kept, want it closed")
		}
	}
	f.change(func() { f.jobs = append(f.jobs, lease("/a/new", "app-9")) })
	turn(false)
	b.until(isShown("/a/new"))
	b.until(isLive)
	b.wantNoFaults()
}

// A page that is left keeps no connection, of which a browser has six for all pages of a
// server, and one that is come back to is live again.
func TestLeftPages(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	for range 8 {
		b.until(isLive)
		b.goTo("about:blank")
		b.goTo(f.url("lease/db/vacuum"))
	}
	b.until(isLive)
	b.run(chromedp.Evaluate[chromedp.Void](`document.body.dataset.left = "yes"; setTimeout(() => history.go(-2))`))
	b.until(`!document.body.dataset.left`)
	b.until(isLive)
	for start := time.Now(); f.listening() > 1; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("got %d connections for events, want that of the page that is shown", f.listening())
		}
	}
	b.wantNoFaults()
}

func TestWithoutScript(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280, noScript: true})
	b.goTo(f.url("lease/db/vacuum"))
	text := eval[string](b, "document.body.innerText")
	for _, want := range []string{"As of 12:20:42 UTC. Reload", "running for 5m41s", "failure (exit 3)", "*/15 * * * * Europe/Berlin"} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in %q", want, text)
		}
	}
	b.follow("Pause…")
	b.run(chromedp.SendKeys(chromedp.CSS("#reason"), "a <move>"+kb.Enter))
	b.until(`document.body.innerText.includes("Paused.")`)
	b.follow("Release…")
	b.run(chromedp.SendKeys(chromedp.CSS("#reason"), "it hangs"), chromedp.Click(chromedp.CSS(".act")))
	b.until(`document.body.innerText.includes("Released.")`)
	f.wantHeard(`pause /db/vacuum  "a <move>"`, fmt.Sprintf(`release /db/vacuum %d "it hangs"`, f.token("/db/vacuum")))
	b.wantNoFaults()
}

func TestKeyboard(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	b.until(isLive)
	focused := func() string {
		return eval[string](b, `(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			const isVisible = style.outlineStyle !== "none" && style.clipPath === "none" && e.getBoundingClientRect().width > 10;
			return (e.id || e.textContent.trim()) + (isVisible || e === document.body ? "" : ", which can't be seen");
		})()`)
	}
	var got []string
	for range 60 {
		b.press(kb.Tab)
		got = append(got, focused())
		if eval[bool](b, "document.activeElement === document.body") {
			break
		}
	}
	want := []string{"Skip to the content", "Leasehold", "q", "Search", "17 all", "1 late"}
	if !slices.Equal(got[:len(want)], want) {
		t.Errorf("got the focus at %q, want %q first", got, want)
	}
	for _, at := range got {
		if strings.Contains(at, "can't be seen") {
			t.Errorf("got the focus at %s", at)
		}
	}
	if len(got) < 30 || len(got) == 60 {
		t.Errorf("got %d places, want all of them, and the end", len(got))
	}

	b.goTo(f.url(""))
	b.press(kb.Tab, kb.Enter, kb.Tab)
	if got := focused(); got != "q" {
		t.Errorf("got the focus at %q after the link that skips, want that in the content", got)
	}

	b.goTo(f.url("lease/db/vacuum?confirm=again"))
	if got := focused(); got != "reason" {
		t.Errorf("got the focus at %q, want the reason", got)
	}
	b.press(kb.Enter) // without one
	f.wantHeard()
	b.press("w", "h", "y", kb.Enter)
	b.until(`document.body.innerText.includes("may be run once more.") && location.search === ""`) // it is said once
	f.wantHeard(`again /db/vacuum  "why"`)
	b.wantNoFaults()
}

// What is typed is not lost when the page changes.
func TestConfirmationStays(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	b := open(t, look{width: 1280})
	b.goTo(f.url("lease/services/leader?confirm=release"))
	b.until(isLive)
	b.press("w", "h", "y")
	f.change(func() {
		i := slices.IndexFunc(f.jobs, func(j *jobs.Job) bool { return j.Path == "/services/leader" })
		f.jobs[i] = lease("/services/leader", "app-7")
		f.jobs[i].Token = 4712
	})
	b.until(`document.getElementById("live").innerText.includes("app-7")`)
	b.press("?", kb.Enter)
	b.until(`document.body.innerText.includes("Released.") && location.search === ""`)
	f.wantHeard(`release /services/leader 4711 "why?"`) // not that of the new holder
	b.wantNoFaults()
}

// hostileJobs have names that would break the page if they could.
func hostileJobs() []*jobs.Job {
	evil := `<img src=x onerror="document.title='broken'">` + "\u202e" + strings.Repeat("w", 1<<20)
	j := job("/evil/"+strings.Repeat("long", 100)+"<b>", "* * * * *", "ssfr")
	j.Holder = evil
	for i := range j.Log.Runs {
		j.Log.Runs[i].Holder, j.Log.Runs[i].Host, j.Log.Runs[i].Program = evil, evil, evil
	}
	j.Log.Head.Paused = &runlog.Note{By: evil, Since: noon, Reason: evil}
	bad := &jobs.Job{Status: leasehold.Status{Path: `/evil/"'>?#%41`, Slot: -1, State: leasehold.Unreadable, Reason: evil}}
	return []*jobs.Job{j, bad}
}

// No page is wider than the screen of a small phone.
func TestNarrow(t *testing.T) {
	t.Parallel()
	f := newFake(t, append(someJobs(), hostileJobs()...)...)
	b := open(t, look{width: 320})
	b.goTo(f.url("?q=/evil/"))
	pages := append([]string{
		"", "?q=nothing", "lease/db/vacuum", "lease/billing/invoices?confirm=again", "lease/billing/dunning", "lease/workers/resize",
	}, eval[[]string](b, `[...document.querySelectorAll("tbody th a")].map((a) => a.getAttribute("href"))`)...)
	if len(pages) != 8 {
		t.Errorf("got the pages %q, want two with hostile names", pages)
	}
	for _, page := range pages {
		b.goTo(f.url(page))
		for _, width := range []int64{320, 390, 800, 1100, 1280} {
			b.run(chromedp.EmulateViewport(width, 800))
			if got := eval[int64](b, "document.documentElement.scrollWidth"); got > width {
				t.Errorf("%.60s: got a width of %d, want at most %d", page, got, width)
			}
		}
		if title := eval[string](b, "document.title"); title == "broken" {
			t.Errorf("%s: got the script run that is in a name", page)
		}
	}
	b.wantNoFaults()
}

// Who does not see the page hears the same, on a narrow screen too.
func TestNamesForScreenReaders(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{1280, 390} {
		f := newFake(t, someJobs()...)
		b := open(t, look{width: width})
		for page, want := range map[string][]string{
			"": {
				"status ", "search ", "searchbox Path or holder", "button Search", "navigation Filters", "link 1 late",
				"table 17 leases", "columnheader Holder", "rowheader /db/vacuum", "main ", "heading Leases",
			},
			"lease/db/vacuum": {
				"navigation Path", "heading /db/vacuum", "list By hand", "region Runs", "rowheader 0", "table The newest first",
				"image The newest ticks: 23 success, 1 failure, 1 unknown, 2 missed, 1 running. The table has each.",
			},
		} {
			b.goTo(f.url(page))
			b.until(isLive)
			heard := b.heard()
			for _, name := range want {
				if name != "rowheader 0" && !slices.Contains(heard, name) {
					t.Errorf("width %d, page %q: got no %q in %q", width, page, name, heard)
				}
			}
		}
	}
}

// heard returns the roles and names of what a screen reader finds.
func (b *tab) heard() []string {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		b.t.Fatal(err)
	}
	var heard []string
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		name := ""
		if node.Name != nil {
			name = strings.Trim(string(node.Name.Value), `"`)
		}
		heard = append(heard, strings.Trim(string(node.Role.Value), `"`)+" "+name)
	}
	return heard
}

// The other tests would see it if the page broke its policy.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := open(t, look{width: 1280})
	b.goTo(f.url(""))
	eval[bool](b, `(() => {
		document.body.insertAdjacentHTML("beforeend", '<p style="color:red" onclick="x">');
		document.body.append(Object.assign(document.createElement("img"), { src: "https://example.invalid/x.png" }));
		setTimeout(() => { throw new Error("a fault") });
		return true;
	})()`)
	for _, want := range []string{"style-src", "img-src", "Uncaught"} {
		b.waitFault(want)
	}
}
