package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/rogpeppe/go-internal/testscript"

	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/internal/zktest"
)

// TestMain makes the test binary the command itself where it is called by that
// name, or as a watchdog, and puts it into the scripts' PATH.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "leasehold" || name == supervise.WatchdogName {
		if limit, err := time.ParseDuration(os.Getenv("TEST_COMPLETION_TIME")); err == nil {
			completionTime = limit
		}
		main()
	}
	bin, err := os.MkdirTemp("", "leasehold-bin-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(bin)
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	// A copy of its own that other users may execute, too.
	if err := os.Chmod(bin, 0o755); err != nil {
		panic(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "leasehold"), text, 0o755); err != nil {
		panic(err)
	}
	os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := f.Value.Set("6"); err != nil { // scripts mostly wait
			panic(err)
		}
	}
	zktest.Main(m)
}

// TestScripts runs testdata/script: each script on both stores, but for those
// that are named after the one that they are for.
func TestScripts(t *testing.T) {
	t.Parallel()
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		runScripts(t, "zookeeper-", func(env *testscript.Env) error {
			env.Setenv("STORE", "dir:"+filepath.Join(env.WorkDir, "store"))
			return nil
		})
	})
	t.Run("zookeeper", func(t *testing.T) {
		t.Parallel()
		addr := zktest.Shared(t).Addr()
		conn := zktest.Conn(t, addr)
		runScripts(t, "local-", func(env *testscript.Env) error {
			chroot := fmt.Sprintf("/%s-%08x", filepath.Base(env.WorkDir), rand.Uint32())
			env.Setenv("STORE", "zk://"+addr+chroot)
			_, err := conn.Create(chroot, nil, 0, zk.WorldACL(zk.PermAll)) // else it is said that it was made
			return err
		})
	})
}

func runScripts(t *testing.T, except string, setStore func(*testscript.Env) error) {
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		if !strings.HasPrefix(filepath.Base(f), except) {
			files = append(files, f)
		}
	}
	testscript.Run(t, testscript.Params{
		Files:              files,
		RequireUniqueNames: true,
		Cmds:               scriptCommands(t),
		Setup: func(env *testscript.Env) error {
			if err := setStore(env); err != nil {
				return err
			}
			env.Setenv("LEASEHOLD_STORE", env.Getenv("STORE"))
			env.Setenv("LEASEHOLD_HOLDER", "host-a")
			env.Setenv("LEASEHOLD_STATE_DIR", "/nonexistent") // whether or not this host is drained
			// Else the race detector adds a second to every exit.
			env.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=10"))
			env.Values[processesKey{}] = map[string]*process{}
			return nil
		},
	})
}
