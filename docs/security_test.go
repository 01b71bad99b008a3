package docs_test

import (
	"os/exec"
	"testing"
)

// TestSecurityPage runs security.md in a network of its own, so that the port of the
// page is free.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "unshare", "ip", "java"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; apt-get install openssl util-linux iproute2 zookeeper default-jre-headless python3-kazoo python3-pure-sasl", err)
		}
	}
	// The server ends with the shell, and the shell with this process.
	const setup = "ip link set lo up\njava() { exec setpriv --pdeathsig KILL java \"$@\"; }\n"
	runPage(t, "security.md", setup, 4, func(script string) *exec.Cmd {
		return exec.Command("unshare", "--map-root-user", "--net", "sh", "-c", script)
	})
}
