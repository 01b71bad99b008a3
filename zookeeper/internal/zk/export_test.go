package zk

import (
	"bufio"
	"net"
	"time"

	"leasehold.example/leasehold/internal/clock"
)

// Replay sends requests on netConn, as xids 1, 2, …, and returns what they were
// answered, ErrConnectionLost for no answer, and why the connection ended.
func Replay(netConn net.Conn, requests []Request) (replies []Reply, errs []error, why error) {
	c := &conn{
		netConn: netConn, host: "host", reader: bufio.NewReaderSize(netConn, readBuffer), idleTimeout: time.Minute,
		report: func(error) {}, release: func() bool { return true }, clock: clock.Shared, watches: map[string]chan struct{}{}, lost: make(chan struct{}),
	}
	var all []*Pending
	for _, r := range requests {
		p := newPending(nil, r)
		c.send(p)
		all = append(all, p)
	}
	why = c.readLoop()
	for _, p := range all {
		<-p.done
		replies, errs = append(replies, p.reply), append(errs, p.err)
	}
	return replies, errs, why
}

// DecodeConnectResponse reads the answer to a connect request for the session
// resumed.
func DecodeConnectResponse(frame []byte, resumed int64) (timeout time.Duration, session int64, err error) {
	r, err := decodeConnectResponse(frame, resumed)
	return r.timeout, r.session, err
}

// DigestMD5 answers a challenge as user, and returns the proof that is expected
// of the server.
func DigestMD5(user, password, uri, cnonce, challenge string) (response, proof string, err error) {
	return (&digestMD5{user, password, uri, cnonce}).respond(challenge)
}

// RoundTime is that of a session that has been without a connection for so long.
func RoundTime(down time.Duration) time.Duration {
	return (&Session{disconnectedAt: time.Now().Add(-down)}).roundTime()
}
