//go:build packages

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/zktest"
)

// A debian is a Debian system in a folder, with nothing installed that a package could
// lean on by chance.
type debian struct{ root string }

func newDebian(t *testing.T) debian {
	d := debian{t.TempDir()}
	if err := os.Chmod(d.root, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "tar", "-xf", "../.debian-root.tar", "-C", d.root)
	return d
}

// exec runs a shell's script in it, in namespaces of its own, with the host's network. It
// returns what the script prints and its exit code.
func (d debian) exec(t *testing.T, script string) (out string, code int) {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
		`mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root /bin/sh -ec "$1"`,
		d.root, script)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// must is exec of what must go well.
func (d debian) must(t *testing.T, script string) string {
	t.Helper()
	out, code := d.exec(t, script)
	if code != 0 {
		t.Fatalf("%s: got exit code %d and %q, want 0", script, code, out)
	}
	return out
}

func (d debian) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	file := filepath.Join(d.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func testDebian(t *testing.T) {
	d := newDebian(t)
	run(t, "cp", built(t, "amd64.deb"), d.root+"/new.deb")
	// The same package with an older version.
	d.must(t, `dpkg-deb -R new.deb old && sed -i 's/^Version: .*/Version: 0.0.0~alpha1-1/' old/DEBIAN/control && dpkg-deb -b old old.deb && rm -r old`)
	before := d.must(t, everything)

	d.must(t, "dpkg -i old.deb")
	wantText(t, "the conffile", d.must(t, "stat -c '%a %U %G' /etc/leasehold/environment"), `^640 root root\n$`)
	d.must(t, "echo LEASEHOLD_STORE=dir:/var/lib/leases >>/etc/leasehold/environment")
	d.must(t, "dpkg -i new.deb")
	wantText(t, "the upgraded conffile", d.must(t, "stat -c '%a' /etc/leasehold/environment; tail -1 /etc/leasehold/environment"), `^640\nLEASEHOLD_STORE=dir:/var/lib/leases\n$`)
	wantText(t, "what differs from the package", d.must(t, "dpkg --verify leasehold || true"), `^\?\?5\?\?\?\?\?\? c /etc/leasehold/environment\n$`)

	version := strings.TrimSpace(d.must(t, "dpkg-query -W -f '${Version}' leasehold"))
	pseudo := regexp.MustCompile(`~pre(\d{14})-1$`).FindStringSubmatch(version)
	if pseudo != nil {
		version = pseudo[1]
	}
	wantText(t, "leasehold version", d.must(t, "leasehold version"), regexp.QuoteMeta(strings.TrimSuffix(strings.Replace(version, "~", "-", 1), "-1")))
	d.must(t, "mkdir -p /var/lib/leasehold/mine && touch /var/lib/leasehold/drain.json.1") // somebody's, and what a drain that was killed leaves
	d.must(t, `export $(grep -v '^#' /etc/leasehold/environment); leasehold run -d 1h /job -- touch /tmp/ran; test -e /tmp/ran`)
	for _, page := range []string{"leasehold.1", "leasehold-run.1", "leasehold-security.7"} {
		name, section, _ := strings.Cut(page, ".")
		wantText(t, "man -w "+page, d.must(t, "man -w "+section+" "+name), "^/usr/share/man/man./"+page+".gz\n$")
	}
	t.Run("cron", d.testCron)
	t.Run("units", d.testUnits)

	d.must(t, "leasehold drain && dpkg --purge leasehold && rmdir /var/lib/leasehold/mine /var/lib/leasehold") // nothing else is left there
	d.must(t, "rm -r /var/lib/leases /etc/systemd/system/leasehold@*.d /opt/nightly-report /tmp/ran")
	if after := d.must(t, everything); after != before {
		t.Errorf("got what purging has left or taken: %q, want nothing", difference(before, after))
	}
}

// everything lists what is there, but for what dpkg, man and systemd write for themselves.
const everything = `find / -xdev -path /proc -prune -o -path /dev -prune -o -path /run -prune -o -path /var/lib/dpkg -prune -o -path /var/cache -prune -o -path /var/log -prune -o -print | sort`

func difference(before, after string) (lines []string) {
	old := strings.Split(before, "\n")
	for line := range strings.SplitSeq(after, "\n") {
		if i := slices.Index(old, line); i >= 0 {
			old = slices.Delete(old, i, i+1)
		} else {
			lines = append(lines, "+"+line)
		}
	}
	for _, line := range old {
		lines = append(lines, "-"+line)
	}
	return lines
}

// testCron runs the crontab of the README as cron does, on a real server.
func (d debian) testCron(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	crontab := regexp.MustCompile(`(?m)^    LEASEHOLD_STORE=(\S+)\n    \*/5 \* \* \* \*  (/\S+/leasehold) (run .* -- )(/\S+)$`).FindStringSubmatch(string(readme))
	if crontab == nil {
		t.Fatal("got no crontab in README.md, want LEASEHOLD_STORE=… and a line of */5")
	}
	command, job := crontab[3], crontab[4]
	d.write(t, job, "#!/bin/sh\necho ran at $LEASEHOLD_TICK\n", 0o755)
	d.write(t, "/opt/nightly-report", "#!/bin/sh\necho ran at $LEASEHOLD_TICK\n", 0o755)
	// A tick is due now whatever the time is.
	command = strings.Replace(command, "--schedule", "--since 2026-01-01T00:00:00Z --schedule", 1)
	script := "export LEASEHOLD_STORE=zk://" + zktest.Shared(t).Addr() + "/apps; /usr/bin/leasehold " + command + job
	wantText(t, "cron's first line", d.must(t, script), `(?m)^ran at 2\S+T02:00:00Z$`)
	if out, code := d.exec(t, script); code != 75 || out != "" {
		t.Errorf("the second: got exit code %d and %q, want 75 and nothing", code, out)
	}
	wantText(t, "the history", d.must(t, "leasehold history --store zk://"+zktest.Shared(t).Addr()+"/apps /db/nightly"), `success`)
	d.must(t, "rm "+job)
}

// testUnits looks at the units as docs/systemd.md sets them up.
func (d debian) testUnits(t *testing.T) {
	page, err := os.ReadFile("../docs/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	dropIn := regexp.MustCompile(`(?m)^       \[Service\]\n(?:       .+\n)+`).FindString(string(page))
	if !strings.Contains(dropIn, "%f") {
		t.Fatalf("got the drop-in %q in docs/systemd.md, want one with %%f", dropIn)
	}
	const units = "leasehold@db-nightly.service leasehold@db-nightly.timer"
	const folder = "/etc/systemd/system/leasehold@db-nightly.service.d"
	for _, what := range []struct{ name, dropIn string }{{"the template alone", ""}, {"the drop-in of docs/systemd.md", dropIn}} {
		if what.dropIn != "" {
			d.write(t, folder+"/job.conf", strings.ReplaceAll(what.dropIn, "       ", ""), 0o644)
		}
		if out, code := d.exec(t, "systemd-analyze verify "+units); code != 0 || out != "" {
			t.Errorf("%s: got from systemd-analyze verify: %d, %q, want nothing", what.name, code, out)
		}
	}
	d.must(t, "cp /usr/share/doc/leasehold/examples/hardening.conf "+folder)
	if out, code := d.exec(t, "systemd-analyze verify "+units+" && systemd-analyze security --offline=yes --threshold=45 leasehold@db-nightly.service"); code != 0 {
		t.Errorf("got %d from systemd-analyze security with hardening.conf: %s, want an exposure of at most 4.5", code, out)
	}
}
