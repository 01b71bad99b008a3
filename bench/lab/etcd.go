package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// An Etcd is a cluster.
type Etcd struct {
	URL string // for all clients: of a follower, where there is one

	servers []server
}

// StartEtcd starts a cluster of n servers with their data in dir, and waits
// until it serves.
func StartEtcd(dir string, n int) (e *Etcd, err error) {
	e = &Etcd{}
	defer func() {
		if err != nil {
			e.Stop()
			err = fmt.Errorf("start %d etcd servers: %w", n, err)
		}
	}()
	addrs, err := freeAddrs(2 * n)
	if err != nil {
		return e, err
	}
	var cluster []string
	for i := range n {
		cluster = append(cluster, fmt.Sprintf("e%d=http://%s", i, addrs[n+i]))
	}
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprintf("etcd-%d", i+1))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return e, err
		}
		client, peer := "http://"+addrs[i], "http://"+addrs[n+i]
		cmd := exec.Command("etcd", "--name", fmt.Sprintf("e%d", i), "--data-dir", filepath.Join(folder, "data"),
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(cluster, ","), "--logger", "zap", "--log-level", "error")
		cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH="+runtime.GOARCH) // elsewhere than on amd64 it starts only if told so
		s, err := start(folder, cmd)
		if err != nil {
			return e, err
		}
		e.servers = append(e.servers, s)
	}
	for i := range n {
		if err := e.servers[i].await(func() error { return e.choose("http://" + addrs[i]) }); err != nil {
			return e, err
		}
	}
	return e, nil
}

// choose takes the server at url for clients if there is no better one. It
// fails if that does not serve.
func (e *Etcd) choose(url string) error {
	client, err := ConnectEtcd(url)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := client.Status(ctx, url)
	if err == nil && status.Leader == 0 {
		err = errors.New("it has no leader")
	}
	if err == nil && (e.URL == "" || status.Leader != status.Header.MemberId) {
		e.URL = url
	}
	return err
}

// ConnectEtcd returns a client of one server.
func ConnectEtcd(url string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{url}, Logger: zap.NewNop()})
}

// Stop ends the servers.
func (e *Etcd) Stop() {
	for _, s := range e.servers {
		s.Kill()
	}
}
