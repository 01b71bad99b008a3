package faultlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// insideVar, set in the environment, says that this process is in the
// namespaces that reexec made.
const insideVar = "LEASEHOLD_FAULTLAB"

// errUnusable says why there is no laboratory here; nil where there is one.
var errUnusable = errors.New("it needs a TestMain that calls faultlab.Main")

// Main runs the tests of a package in new namespaces, of which they are root:
// it executes the test binary once more, with the same arguments, and does not
// return in the first process. Where namespaces are not possible, the tests run
// where they are, and [Start] fails. With FAULTS=off in the environment no
// test runs, and that is a success. Call Main, and nothing after it, from
// TestMain; a test binary that also serves as a helper process decides so before.
func Main(m *testing.M) {
	if os.Getenv("FAULTS") == "off" {
		fmt.Println("faults off")
		return
	}
	if os.Getenv(insideVar) == "" {
		errUnusable = reexec()
	} else {
		errUnusable = nil
	}
	m.Run() // the exit code is kept in m, for the caller of TestMain
}

// setup makes room for named network namespaces, and lets /proc show the new
// namespaces' processes.
const setup = `mount -t tmpfs tmpfs /run && mount -t proc proc /proc && ip link set lo up`

// reexec replaces this process by one that runs the same tests in new
// namespaces. It returns only if that is not possible.
func reexec() error {
	// Debian keeps tools of administrators from users' paths.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	for _, tool := range []string{"unshare", "nsenter", "mount", "umount", "ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w; apt-get install iproute2 nftables util-linux", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(insideVar, "1"); err != nil {
		return err
	}
	defer os.Unsetenv(insideVar)

	// A user namespace is tried first for root too, so that root's tests run as
	// everybody's do. After Exec there is no return, so all is tried before it.
	var reasons []string
	for _, kinds := range []string{"-rmn", "-mn"} {
		unshare := []string{"unshare", kinds, "--fork", "--pid", "--kill-child", "sh", "-c"}
		try := append(unshare[1:], setup+" && ip netns add try && nft list ruleset")
		out, err := exec.Command(unshare[0], try...).CombinedOutput()
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("unshare %s: %v: %s", kinds, err, strings.TrimSpace(string(out))))
			continue
		}
		path, err := exec.LookPath(unshare[0])
		if err != nil {
			return err
		}
		// The shell stays, as the init that reaps orphans.
		run := append(unshare, setup+` || exit; "$0" "$@"; exit $?`, self)
		return syscall.Exec(path, append(run, os.Args[1:]...), os.Environ())
	}
	return fmt.Errorf("%s\nhint: %s", strings.Join(reasons, "\n"), hint())
}

// hint names the setting that most likely forbids namespaces here.
func hint() string {
	for _, s := range []struct{ key, forbids, remedy string }{
		{"kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"},
		{"user/max_net_namespaces", "0", "sysctl user.max_net_namespaces=10000"},
	} {
		value, err := os.ReadFile("/proc/sys/" + s.key)
		if err == nil && strings.TrimSpace(string(value)) == s.forbids {
			return s.remedy + ", as root"
		}
	}
	return "run the tests as root, or in a container that may make namespaces (docker run --privileged); FAULTS=off leaves them out"
}
