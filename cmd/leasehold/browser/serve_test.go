package browser

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// leaseholdOn runs a subcommand of leasehold on the store at addr.
func leaseholdOn(t *testing.T, addr string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LEASEHOLD_STORE=zk://"+addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("leasehold %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// startServe starts "leasehold serve" at listen, and waits until it says so.
func startServe(t *testing.T, store, listen string) *child.Process {
	t.Helper()
	cmd := exec.Command(program, "serve", "--allow-write", "--listen", listen, "--store", "zk://"+store)
	said, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = stderr
	serve, err := child.Start(cmd)
	stderr.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serve.Kill)
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "serving http") {
	}
	go func() {
		defer said.Close()
		for lines.Scan() {
			t.Log(lines.Text())
		}
	}()
	return serve
}

// says is true if the status says that the page is not up to date, for that reason.
func says(reason string) string {
	return `document.getElementById("status").textContent.startsWith("Not up to date since ") &&
		document.getElementById("status").textContent.endsWith(" UTC: ` + reason + `")`
}

// The page of a real "leasehold serve" of a real ZooKeeper, from when it is opened: it is
// never loaded anew.
func TestServe(t *testing.T) {
	t.Parallel()
	store := zktest.Start(t)
	proxy := zktest.NewProxy(t, store.Addr())
	listen := zktest.ReservePort(t)
	serve := startServe(t, proxy.Addr(), listen)

	b := open(t, look{width: 1280})
	b.goTo("http://" + listen + "/")
	b.until(isLive)
	leaseholdOn(t, store.Addr(), "acquire", "-d", "10m", "--holder", "host-a", "/apps/first")
	b.until(isShown("/apps/first"))
	b.until(`document.getElementById("lease/apps/first").innerText.includes("held\thost-a")`)
	leaseholdOn(t, store.Addr(), "release", "--holder", "host-a", "/apps/first")
	b.until(`document.getElementById("lease/apps/first").innerText.includes("free")`)

	leaseholdOn(t, store.Addr(), "run", "-q", "--schedule", "* * * * *", "--timezone", "UTC", "--holder", "host-b", "/apps/job", "--", "true")
	b.until(`/host-b\t.*\tidle\tsuccess/.test(document.getElementById("lease/apps/job").innerText)`)

	proxy.Cut()
	b.until(says("the store can't be reached"))
	leaseholdOn(t, store.Addr(), "acquire", "-d", "10m", "--holder", "host-a", "/apps/second")
	proxy.Restore()
	b.until(isShown("/apps/second"))
	b.until(isLive)

	serve.Kill()
	b.until(says("no connection"))
	leaseholdOn(t, store.Addr(), "acquire", "-d", "10m", "--holder", "host-a", "/apps/third")
	startServe(t, proxy.Addr(), listen)
	b.until(isShown("/apps/third"))
	b.until(isLive)
	b.wantNoFaults("net::ERR_")

	byHand(t, store, "http://"+listen+"/", look{width: 1280})
	byHand(t, store, "http://"+listen+"/", look{width: 390, noScript: true})
}

// byHand pauses a job, resumes it, and releases a lease.
func byHand(t *testing.T, store *zktest.Server, url string, l look) {
	t.Helper()
	b := open(t, l)
	b.goTo(url)
	b.follow("/apps/job")
	confirm := func(action, says string) {
		b.follow(action + "…")
		b.run(chromedp.SendKeys(chromedp.CSS("#reason"), "a test"+kb.Enter))
		b.until(`document.body.innerText.includes("` + says + `")`)
	}
	confirm("Pause", "Paused.")
	if got, want := leaseholdOn(t, store.Addr(), "history", "/apps/job"), "paused by hand: a test"; !strings.Contains(got, want) {
		t.Errorf("got the history %s, want %q in it", got, want)
	}
	confirm("Resume", "Resumed.")
	b.goTo(url)
	leaseholdOn(t, store.Addr(), "acquire", "-d", "10m", "--holder", "host-c", "/apps/held")
	isHeld := `document.body.innerText.includes("host-c")`
	for start := time.Now(); l.noScript && !eval[bool](b, isHeld) && time.Since(start) < time.Minute; {
		b.goTo(url)
	}
	b.until(isHeld)
	b.follow("/apps/held")
	confirm("Release", "Released.")
	if got, want := leaseholdOn(t, store.Addr(), "status", "--json", "/apps/held"), `"state":"free"`; !strings.Contains(got, want) {
		t.Errorf("got the status %s, want %s in it", got, want)
	}
	b.wantNoFaults()
}
