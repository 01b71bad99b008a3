package ensemble

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"leasehold.example/leasehold/internal/zktest/child"
)

// An Etcd is a cluster.
type Etcd struct {
	urls   []string
	procs  []*child.Process
	client string
}

// StartEtcd starts a cluster of n servers with their data in dir, and waits
// until it serves.
func StartEtcd(ctx context.Context, dir string, n int) (*Etcd, error) {
	e := &Etcd{}
	var peers, cluster []string
	for i := range n {
		ports, err := freePorts(2)
		if err != nil {
			return nil, err
		}
		e.urls = append(e.urls, "http://"+local(ports[0]))
		peers = append(peers, "http://"+local(ports[1]))
		cluster = append(cluster, fmt.Sprintf("e%d=%s", i, peers[i]))
	}
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprintf("etcd-%d", i+1))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		cmd := exec.Command("etcd", "--name", fmt.Sprintf("e%d", i), "--data-dir", filepath.Join(folder, "data"),
			"--listen-client-urls", e.urls[i], "--advertise-client-urls", e.urls[i],
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
			"--initial-cluster", strings.Join(cluster, ","), "--logger", "zap", "--log-level", "error")
		cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH="+runtime.GOARCH) // it starts elsewhere than on amd64 only when told so
		proc, err := run(folder, cmd)
		if err != nil {
			e.Stop()
			return nil, err
		}
		e.procs = append(e.procs, proc)
	}
	if err := e.await(ctx); err != nil {
		e.Stop()
		return nil, fmt.Errorf("start %d etcd servers in %s: %w", n, dir, err)
	}
	return e, nil
}

// await waits until every server serves, and chooses the one for clients.
func (e *Etcd) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{Endpoints: e.urls, Context: ctx, DialTimeout: startLimit, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	for _, url := range e.urls {
		for {
			attempt, cancel := context.WithTimeout(ctx, time.Second)
			status, err := client.Status(attempt, url)
			cancel()
			if err == nil && status.Leader != 0 {
				if e.client == "" || status.Leader != status.Header.MemberId {
					e.client = url
				}
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not serve: %w", url, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// URL is the URL for all clients: of a follower, where there is one.
func (e *Etcd) URL() string { return e.client }

// Stop ends the servers.
func (e *Etcd) Stop() {
	for _, p := range e.procs {
		p.Kill()
	}
}
