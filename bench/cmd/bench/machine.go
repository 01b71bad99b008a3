package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/bench/peer"
	"leasehold.example/leasehold/bench/result"
)

// describeMachine says where the figures are from.
func describeMachine(dir string) (map[string]string, error) {
	disk, err := filesystem(dir)
	if err != nil {
		return nil, err
	}
	sync, err := timeSync(dir)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"processors": fmt.Sprintf("%d × %s (%s)", runtime.NumCPU(), field("/proc/cpuinfo", `model name\s*: (.*)`), runtime.GOARCH),
		"memory":     field("/proc/meminfo", `MemTotal:\s*(.*)`),
		"system":     field("/etc/os-release", `PRETTY_NAME="(.*)"`) + ", Linux " + field("/proc/sys/kernel/osrelease", `(.*)`),
		"disk":       disk,
		"fdatasync":  fmt.Sprintf("%.2f ms (median of 4 KB appended)", sync),
		"load":       field("/proc/loadavg", `(\S+ \S+ \S+)`) + " before it began",
	}, nil
}

// describeVersions says what was compared.
func describeVersions() map[string]string {
	versions := map[string]string{
		"Go":        runtime.Version(),
		"Java":      output(`"(.*?)"`, "java", "-version"),
		"Python":    output(`Python (.*)`, peer.Python, "--version"),
		"Leasehold": output(`(.*)`, "git", "describe", "--always", "--dirty"),
	}
	for name, pkg := range map[string]string{
		"ZooKeeper": "zookeeper", "kazoo": "python3-kazoo", "Curator": "libcurator-recipes-java", "etcd": "etcd-server",
	} {
		versions[name] = output(`(.*)`, "dpkg-query", "-W", "-f", "${Version}", pkg) + " (Debian)"
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/go-zookeeper/zk" || d.Path == "go.etcd.io/etcd/client/v3" {
				versions[d.Path] = d.Version
			}
		}
	}
	return versions
}

// filesystem names the file system that dir is on. One in memory is an error:
// it would make syncing free.
func filesystem(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	var device, kind, at string
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		below := f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/")
		if below && len(f[1]) >= len(at) { // the last one covers those before
			device, at, kind = f[0], f[1], f[2]
		}
	}
	if kind == "tmpfs" || kind == "ramfs" {
		return "", fmt.Errorf("%s is in memory (%s): choose a folder on a disk with -dir", dir, kind)
	}
	return fmt.Sprintf("%s on %s", kind, device), nil
}

// timeSync returns the median time, in milliseconds, that it takes to append
// 4 KB to a file and have them on the disk.
func timeSync(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	samples := make([]time.Duration, 100)
	for i := range samples {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		samples[i] = time.Since(begin)
	}
	median, _ := result.Summarize(samples)
	return median, nil
}

// field returns what pattern's group matches in a file.
func field(file, pattern string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return match(text, pattern)
}

// output returns what pattern's group matches in what a command prints.
func output(pattern, command string, args ...string) string {
	text, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	return match(text, pattern)
}

func match(text []byte, pattern string) string {
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(m[1]))
}
