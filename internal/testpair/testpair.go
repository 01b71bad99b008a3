// Package testpair says which ZooKeeper server and which kazoo a test run uses.
//
// The variable LEASEHOLD_TEST_PAIR selects them: "debian", the default, means
// Debian's packages (ZooKeeper 3.8.0 and kazoo 2.8.0 in Debian 12), "newest"
// the versions that pom.xml and requirements.txt pin. `make deps-newest`
// installs the latter into the folder .newest of the repository.
package testpair

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The names of the pairs.
const (
	Debian = "debian"
	Newest = "newest"
)

const variable = "LEASEHOLD_TEST_PAIR"

// jars is Debian's folder of Java archives.
const jars = "/usr/share/java/"

// Name returns the name of the selected pair.
func Name() string {
	if name := os.Getenv(variable); name != "" {
		return name
	}
	return Debian
}

// ClassPath returns Java's class path of the ZooKeeper server. Where it is
// missing, the error says how to install it.
func ClassPath() (string, error) {
	switch Name() {
	case Debian:
		// The manifest of zookeeper.jar names what else it needs, but for the
		// codec, which TLS needs.
		server := jars + "zookeeper.jar"
		if _, err := os.Stat(server); err != nil {
			return "", fmt.Errorf("%w; apt-get install zookeeper", err)
		}
		return server + ":" + jars + "slf4j-simple.jar:" + jars + "netty-codec.jar", nil
	case Newest:
		folder, err := newest("jars")
		return folder + "/*", err
	}
	return "", unknown()
}

// Python returns the interpreter that has kazoo and pure-sasl. Where it is
// missing, the error says how to install it.
func Python() (string, error) {
	switch Name() {
	case Debian:
		// Not the first one on the PATH: only Debian's own sees python3-kazoo.
		const python = "/usr/bin/python3"
		if _, err := os.Stat(python); err != nil {
			return "", fmt.Errorf("%w; apt-get install python3-kazoo python3-pure-sasl", err)
		}
		return python, nil
	case Newest:
		return newest("venv/bin/python3")
	}
	return "", unknown()
}

func unknown() error {
	return fmt.Errorf("%s=%q: got an unknown pair, want %s or %s", variable, Name(), Debian, Newest)
}

// newest returns the path of what `make deps-newest` has installed.
func newest(name string) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".newest", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w; make deps-newest", err)
	}
	return path, nil
}

// repository finds the root of the repository above the working directory,
// which for a test is the folder of its package.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "internal/testpair/pom.xml")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("the working directory is not in the repository, which has the newest pair")
		}
		folder = parent
	}
}
