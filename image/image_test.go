package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds a package of this repository as make image does.
func build(t *testing.T, dir, pkg, to string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", to, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
}

// TestSameBytes: the same program gives the same archive, wherever it is.
func TestSameBytes(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795000000")
	var archives [2][]byte
	for i := range archives {
		dir := t.TempDir()
		program, archive := filepath.Join(dir, "leasehold"), filepath.Join(dir, "image.tar")
		if err := os.WriteFile(program, []byte("any"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := run("1.0", archive, []string{"amd64=" + program, "arm64=" + program}); err != nil {
			t.Fatal(err)
		}
		archives[i] = read(t, archive)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("got two archives that differ")
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	archive := filepath.Join(t.TempDir(), "image.tar")
	for _, program := range []string{"amd64", "amd64=/not/there"} {
		if err := run("1.0", archive, []string{program}); err == nil {
			t.Errorf("%s: got no error", program)
		}
	}
}

// TestImage runs leasehold in the image as a container's first process: with its own
// files, processes and user.
func TestImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, archive, root := filepath.Join(dir, "leasehold"), filepath.Join(dir, "image.tar"), filepath.Join(dir, "root")
	build(t, "..", "./cmd/leasehold", program)
	if err := run("1.0", archive, []string{runtime.GOARCH + "=" + program}); err != nil {
		t.Fatal(err)
	}
	config := unpack(t, archive, root)
	if got, want := fmt.Sprint(config.Entrypoint, config.User), "[/usr/local/bin/leasehold]65532:65532"; got != want {
		t.Fatalf("got the entrypoint and user %s, want %s", got, want)
	}
	// What a runtime adds, and a job.
	for _, name := range []string{"proc", "dev", "leases"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	null := filepath.Join(root, "dev/null") // a plain file will do
	if err := errors.Join(os.WriteFile(null, nil, 0o666), os.Chmod(null, 0o666)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(root, "leases"), 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	build(t, ".", "./testdata/job", filepath.Join(root, "job"))

	t.Run("look", func(t *testing.T) {
		t.Parallel()
		out, err := container(root, config, "run", "--store", "dir:/leases", "-d", "1m", "/look", "--", "/job", "look").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "process 1 is leasehold, Europe/Berlin, trusts: true") || os.Geteuid() == 0 && !strings.Contains(string(out), "uid 65532") {
			t.Errorf("got error %v and %q, want that leasehold is process 1, and the zone, the certificates and the user of the image", err, out)
		}
	})
	t.Run("page", func(t *testing.T) { // its command, with a store that is at hand
		t.Parallel()
		line := regexp.MustCompile(`args: (\["run", "-q".*\])`).FindSubmatch(read(t, "../docs/containers.md"))
		if line == nil {
			t.Fatal("got no command in docs/containers.md")
		}
		var args []string
		decode(t, line[1], &args)
		args[len(args)-1] = "/job"
		cmd := container(root, config, append(args, "look")...)
		cmd.Env = append(cmd.Env, "LEASEHOLD_STORE=dir:/leases", "LEASEHOLD_HOLDER=eu1-report-1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%q: got error %v and %q, want none, whether or not it is due", args, err, out)
		}
	})
	t.Run("zombies", func(t *testing.T) {
		t.Parallel()
		out, err := container(root, config, "run", "--store", "dir:/leases", "-d", "1m", "/reap", "--", "/job", "reap").CombinedOutput()
		if err != nil || string(out) != "all reaped\n" {
			t.Errorf("got error %v and %q, want that all were reaped", err, out)
		}
	})
	t.Run("signals", func(t *testing.T) {
		t.Parallel()
		cmd := container(root, config, "run", "--store", "dir:/leases", "-d", "1m", "--release", "always", "/term", "--", "/job", "term")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Errorf("got the line %q, want ready", lines.Text())
		}
		first := strings.TrimSpace(string(read(t, fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))))
		var pid int
		if _, err := fmt.Sscan(first, &pid); err != nil {
			t.Fatalf("the first process among %q: %v", first, err)
		}
		// As kubectl exec does: what it leaves behind becomes process 1's child.
		enter := exec.Command("nsenter", "--target", fmt.Sprint(pid), "--all", "--root", "--wd", "/job", "orphan")
		if out, err := enter.CombinedOutput(); err != nil {
			t.Errorf("nsenter: %v\n%s", err, out)
		}
		for start := time.Now(); jobsOf(t, pid) > 0; time.Sleep(50 * time.Millisecond) {
			if time.Since(start) > 30*time.Second {
				t.Fatal("process 1 has a child that nobody reaps")
			}
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != "terminated" {
			t.Errorf("got the line %q, want terminated", lines.Text())
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
			t.Errorf("got %v, want the exit code 7", err)
		}
	})
}

// jobsOf counts the children of a process that are, or were, the job.
func jobsOf(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d: got no children files and error %v", pid, err)
	}
	jobs := 0
	for _, file := range files {
		children, _ := os.ReadFile(file) // of a thread that may have ended
		for child := range strings.FieldsSeq(string(children)) {
			if comm, err := os.ReadFile("/proc/" + child + "/comm"); err == nil && string(comm) == "job\n" {
				jobs++
			}
		}
	}
	return jobs
}

// A config is what the image says of how it is run.
type config struct {
	User       string
	Env        []string
	Entrypoint []string
}

// container runs the image in namespaces of its own.
func container(root string, c config, args ...string) *exec.Cmd {
	all := []string{"--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc=" + filepath.Join(root, "proc"), "chroot"}
	if os.Geteuid() == 0 {
		all = append(all, "--userspec="+c.User)
	} else { // who can have no other user
		all = append([]string{"--map-root-user"}, all...)
	}
	all = append(all, root)
	cmd := exec.Command("unshare", append(append(all, c.Entrypoint...), args...)...)
	cmd.Env = c.Env
	return cmd
}

// unpack makes the image's files below root, as a runtime does.
func unpack(t *testing.T, archive, root string) config {
	t.Helper()
	blobs := map[string][]byte{}
	for header, data := range entries(t, read(t, archive)) {
		blobs[strings.Replace(strings.TrimPrefix(header.Name, "blobs/"), "/", ":", 1)] = data
	}
	type descriptor struct{ Digest string }
	var index, images struct{ Manifests []descriptor }
	decode(t, blobs["index.json"], &index)
	decode(t, blobs[index.Manifests[0].Digest], &images)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blobs[images.Manifests[0].Digest], &manifest)
	for _, l := range manifest.Layers {
		unzipped, err := gzip.NewReader(bytes.NewReader(blobs[l.Digest]))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(unzipped)
		if err != nil {
			t.Fatal(err)
		}
		for header, data := range entries(t, data) {
			name := filepath.Join(root, header.Name)
			if header.Typeflag == tar.TypeDir {
				err = os.MkdirAll(name, header.FileInfo().Mode())
			} else {
				err = os.WriteFile(name, data, header.FileInfo().Mode())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var image struct{ Config config }
	decode(t, blobs[manifest.Config.Digest], &image)
	return image.Config
}

// entries yields what a tar file has.
func entries(t *testing.T, archive []byte) func(yield func(*tar.Header, []byte) bool) {
	return func(yield func(*tar.Header, []byte) bool) {
		for r := tar.NewReader(bytes.NewReader(archive)); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(header, data) {
				return
			}
		}
	}
}

func decode(t *testing.T, data []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("decode %q: %v", data, err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
