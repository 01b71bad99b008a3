package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"leasehold.example/leasehold/internal/zktest"
)

var (
	program string // "leasehold"

	chromium context.Context // all tabs are of one; nil where there is none
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "leasehold-browser-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "leasehold")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build: %v: %s", err, out))
	}
	if path, err := exec.LookPath("chromium"); err == nil {
		ctx, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")),
			chromedp.Flag("font-render-hinting", "none"))...)
		defer end()
		chromium, end = chromedp.NewContext(ctx)
		defer end()
		if err := chromedp.Do(chromium); err != nil {
			panic(fmt.Sprintf("start chromium: %v", err))
		}
	}
	zktest.Main(m)
}

// A tab has a page. It shares no cookies or files with others.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	faults []string // that the browser has logged
}

// A look is how a page is looked at.
type look struct {
	width    int64
	dark     bool
	noScript bool
}

// open opens a tab.
func open(t testing.TB, l look) *tab {
	t.Helper()
	if chromium == nil {
		t.Fatal("no chromium: install it with scripts/deps browser")
	}
	b := &tab{t: t}
	ctx, end := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(end)
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.run(chromedp.EmulateViewport(l.width, 800))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	return b
}

// call sends a command to the browser.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// listen notes what the browser finds wrong.
func (b *tab) listen(event any) {
	fault := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			fault = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			fault = fmt.Sprint("console: ", e.Args)
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// wantNoFaults fails if the browser has logged an error, but for those that have
// one of the excused texts.
func (b *tab) wantNoFaults(excused ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		if !slices.ContainsFunc(excused, func(text string) bool { return strings.Contains(fault, text) }) {
			b.t.Errorf("got %q from the browser, want no error", fault)
		}
	}
}

// waitFault waits for a fault with that text.
func (b *tab) waitFault(text string) {
	b.t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		faults := slices.Clone(b.faults)
		b.mu.Unlock()
		if slices.ContainsFunc(faults, func(fault string) bool { return strings.Contains(fault, text) }) {
			return
		}
		if time.Since(start) > time.Minute {
			b.t.Fatalf("got %q, want one with %q", faults, text)
		}
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// goTo shows the page of that address.
func (b *tab) goTo(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
}

// eval returns the value of an expression in JavaScript.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%v: %s", err, expression)
	}
	return value
}

// until waits until an expression in JavaScript is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	isTrue := fmt.Sprintf("(() => { try { return !!(%s) } catch { return false } })()", expression) // there may be no page yet
	for start := time.Now(); !eval[bool](b, isTrue); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			b.t.Fatalf("waited for %s, the page says: %s", expression, eval[string](b, "document.body.innerText"))
		}
	}
}
