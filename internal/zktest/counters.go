package zktest

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Counters are what a server counted since its start. The difference of two
// readings is the cost of what happened in between.
type Counters struct {
	// Packets is the number of packets received from clients: one for each
	// request (a multi is one), for opening and for closing a session, and
	// for a ping. Reading the counters is not counted.
	Packets int64

	// Zxid is the last transaction that the server applied. Each write adds
	// one, whether it succeeds or fails, and so do opening and closing a
	// session.
	Zxid int64
}

// Counters reads the server's counters. A request is counted by the time when
// its reply arrives.
func (s *Server) Counters(t testing.TB) Counters {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	received, zxid, err := s.report(20 * time.Second)
	if err != nil {
		t.Fatalf("read the counters of the ZooKeeper server: %v", err)
	}
	// The server counts each four-letter word as one packet, that of the
	// answer included (NIOServerCnxn.checkFourLetterWord).
	s.own++
	return Counters{Packets: received - s.own, Zxid: zxid}
}

// report asks a server that serves requests for its counts of packets and its
// last zxid. One that has not loaded its data yet is an error.
func (s *Server) report(within time.Duration) (received, zxid int64, err error) {
	answer, err := Ask(s.addr, "srvr", within)
	if err != nil {
		return 0, 0, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		fields[key] = value
	}
	if fields["Mode"] == "" {
		return 0, 0, fmt.Errorf("it does not serve yet: %q", answer)
	}
	if received, err = strconv.ParseInt(fields["Received"], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("packets received in %q: %w", answer, err)
	}
	if zxid, err = strconv.ParseInt(fields["Zxid"], 0, 64); err != nil {
		return 0, 0, fmt.Errorf("zxid in %q: %w", answer, err)
	}
	return received, zxid, nil
}

// Ask sends a four-letter word to a server and returns the whole answer, or an
// error when it takes longer. A server that starts may never answer.
func Ask(addr, word string, within time.Duration) (string, error) {
	deadline := time.Now().Add(within)
	conn, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(word)); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
