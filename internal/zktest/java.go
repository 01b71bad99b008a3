package zktest

import (
	"fmt"
	"os"
	"os/exec"
)

const (
	jar     = "/usr/share/java/zookeeper.jar" // its manifest names the rest of the class path
	logging = "/usr/share/java/slf4j-simple.jar"
	codec   = "/usr/share/java/netty-codec.jar" // which the manifest forgets; for TLS
)

// Java returns the command that runs a ZooKeeper server, small and quick to
// start, on the configuration file. Warnings and errors go to standard error.
// Where something is missing, the error says what to install.
func Java(config string) (*exec.Cmd, error) {
	java, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat(jar)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install zookeeper", err)
	}
	return exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", jar+":"+logging+":"+codec, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config), nil
}
