package zktest

import (
	"fmt"
	"os/exec"

	"leasehold.example/leasehold/internal/testpair"
)

// Java returns the command that runs the ZooKeeper server of the selected pair,
// small and quick to start, on the configuration file. Warnings and errors go
// to standard error. Where something is missing, the error says what to
// install.
func Java(config string) (*exec.Cmd, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install default-jre-headless", err)
	}
	classPath, err := testpair.ClassPath()
	if err != nil {
		return nil, err
	}
	return exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", classPath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config), nil
}
