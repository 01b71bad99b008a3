package lab

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"leasehold.example/leasehold/internal/testpair"
)

// Machine says where figures are from; dir is the folder of the servers' data.
// It must be on a disk: in memory syncing would be free.
func Machine(dir string) (map[string]string, error) {
	disk := output(`(.*)`, "findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", dir)
	if strings.HasPrefix(disk, "tmpfs") || strings.HasPrefix(disk, "ramfs") {
		return nil, fmt.Errorf("%s is in memory: choose a folder on a disk with -dir", dir)
	}
	sync, err := SyncTime(dir)
	return map[string]string{
		"processors": fmt.Sprintf("%d × %s (%s)", runtime.NumCPU(), field("/proc/cpuinfo", `model name\s*: (.*)`), runtime.GOARCH),
		"memory":     field("/proc/meminfo", `MemTotal:\s*(.*)`),
		"system":     field("/etc/os-release", `PRETTY_NAME="(.*)"`) + ", Linux " + field("/proc/sys/kernel/osrelease", `(.*)`),
		"disk":       disk,
		"fdatasync":  fmt.Sprintf("%.2f ms (median of 300 bytes)", float64(sync)/1e6),
		"load":       field("/proc/loadavg", `(\S+ \S+ \S+)`) + " before it began",
	}, err
}

// SyncTime returns the median time of a sync of a few hundred bytes to a file
// that has its length already, which is what a server's log does.
func SyncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		return 0, err
	}
	samples := make([]time.Duration, 301)
	for i := range samples {
		begin := time.Now()
		if _, err := f.WriteAt(make([]byte, 300), int64(i)*300); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		samples[i] = time.Since(begin)
	}
	slices.Sort(samples)
	return samples[len(samples)/2], nil
}

// Versions says what is compared; zookeeper is one that runs.
func Versions(zookeeper *ZooKeeper) (map[string]string, error) {
	python, err := testpair.Python()
	if err != nil {
		return nil, err
	}
	versions := map[string]string{
		"Go":        runtime.Version(),
		"Java":      output(`"(.*?)"`, "java", "-version"),
		"Python":    output(`Python (.*)`, python, "--version"),
		"kazoo":     output(`(.*)`, python, "-I", "-c", "import kazoo.version; print(kazoo.version.__version__)"),
		"Curator":   debian("libcurator-recipes-java") + " with ZooKeeper's client " + debian("libzookeeper-java"),
		"etcd":      debian("etcd-server"),
		"Leasehold": output(`(.*)`, "git", "describe", "--always", "--dirty"),
	}
	if versions["ZooKeeper"], err = zookeeper.version(); err != nil {
		return nil, err
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/go-zookeeper/zk" || d.Path == "go.etcd.io/etcd/client/v3" {
				versions[d.Path] = d.Version
			}
		}
	}
	return versions, nil
}

func debian(pkg string) string {
	return output(`(.*)`, "dpkg-query", "-W", "-f", "${Version}", pkg) + " (Debian)"
}

// field returns what pattern's group matches in a file.
func field(file, pattern string) string {
	text, _ := os.ReadFile(file)
	return match(text, pattern)
}

// output returns what pattern's group matches in what a command prints.
func output(pattern, command string, args ...string) string {
	text, _ := exec.Command(command, args...).CombinedOutput()
	return match(text, pattern)
}

func match(text []byte, pattern string) string {
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil || len(m[1]) == 0 {
		return "unknown"
	}
	return strings.TrimSpace(string(m[1]))
}
