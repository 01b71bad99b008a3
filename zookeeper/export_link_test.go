package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-zookeeper/zk"
)

// Requests are one of each kind about the node at path: what they are called
// here, by number.
var Requests = []string{"get", "get and watch", "exists", "exists and watch", "children", "ACL", "sync", "transaction that fails", "transaction"}

func requests(path string) []request {
	check := &zk.CheckVersionRequest{Path: path, Version: -1}
	return []request{
		{operation: opGetData, path: path},
		{operation: opGetData, path: path, watch: true},
		{operation: opExists, path: path},
		{operation: opExists, path: path, watch: true},
		{operation: opGetChildren, path: path},
		{operation: opGetACL, path: path},
		{operation: opSync, path: path},
		transaction(
			&zk.CreateRequest{Path: path + "/new", Data: []byte("data"), Acl: ReadWorldACL(), Flags: zk.FlagSequence},
			&zk.SetDataRequest{Path: path, Data: []byte{}, Version: 77},
			&zk.DeleteRequest{Path: path, Version: -1},
		),
		transaction(check, check, check, check),
	}
}

func describe(r reply, err error) string {
	s := fmt.Sprintf("error %v", err)
	for _, result := range r.results {
		s += fmt.Sprintf(", result %q %+v %v", result.String, result.Stat, result.Error)
	}
	if err == nil {
		s += fmt.Sprintf(", data %q, children %q, ACL %v, stat %+v, watched %t", r.data, r.names, r.acl, r.stat, r.event != nil)
	}
	return s
}

// Ask makes each of Requests about path in s's session, and says what was
// answered.
func (s *Store) Ask(ctx context.Context, path string) (answers []string) {
	for _, r := range requests(path) {
		sess, err := s.session(ctx)
		if err != nil {
			return append(answers, err.Error())
		}
		answers = append(answers, describe(sess.ask(ctx, r)))
	}
	return answers
}

// AskLibrary makes one of Requests about path by the client library.
func AskLibrary(ctx context.Context, conn *zk.Conn, i int, path string) string {
	r, err := askLibrary(ctx, conn, requests(path)[i])
	return describe(r, known(err))
}

// Replay makes each of Requests on a connection, as xids 1, 2, …, and returns
// what they were answered, "" for nothing, and why the connection ended.
func Replay(conn net.Conn) (answers []string, why error) {
	l := &link{
		conn: conn, host: "host", frames: newFrames(conn), silence: time.Minute,
		note: func(error) {}, release: func() bool { return true }, watches: map[string]chan struct{}{},
	}
	var asked []*question
	for _, r := range requests("/x") {
		asked = append(asked, l.send(r))
	}
	why = l.serve()
	for _, q := range asked {
		<-q.done
		answer := ""
		if q.err != zk.ErrConnectionClosed {
			answer = describe(q.reply, q.err)
		}
		answers = append(answers, answer)
	}
	return answers, why
}

// Greet reads the answer to a connect request for the session resumes.
func Greet(frame []byte, resumes int64) (timeout time.Duration, session int64, err error) {
	g, err := parseGreeting(frame, resumes)
	return g.timeout, g.session, err
}

// AskAtOnce asks something without waiting for a connection, and reports
// whether that was not sent.
func (s *Store) AskAtOnce() (notSent bool) {
	s.mu.Lock()
	sess := s.current
	s.mu.Unlock()
	_, err := sess.askAtOnce(requests("/x")[0])
	return errors.Is(err, errNotSent)
}
