// Command connect opens a session at the server of its argument, waits until
// it is there, and closes it: the floor below any process that asks ZooKeeper.
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-zookeeper/zk"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "connect:", err)
		os.Exit(1)
	}
}

func run(addr string) error {
	conn, events, err := zk.Connect([]string{addr}, 10*time.Second,
		zk.WithDialer(net.DialTimeout), zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		return err
	}
	defer conn.Close()
	for e := range events {
		if e.State == zk.StateHasSession {
			return nil
		}
	}
	return fmt.Errorf("no session with %s", addr)
}

type silent struct{}

func (silent) Printf(string, ...any) {}
