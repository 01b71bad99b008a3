package faultlab

import "os"

// inflict does what a fault or a cure does, to the server.
func (l *Lab) inflict(what string, i int, do func(s *server) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := do(l.servers[i]); err != nil {
		l.t.Errorf("%s server %d: %v", what, i, err)
	}
}

// Kill ends server i as kill -9 does. Its disk stays as it is.
func (l *Lab) Kill(i int) {
	l.inflict("kill", i, func(s *server) error { s.kill(); return nil })
}

// Restart starts server i again if it has ended, by Kill or by itself, and
// doesn't wait until it serves.
func (l *Lab) Restart(i int) { l.inflict("restart", i, (*server).start) }

// Running reports whether server i's process has not ended.
func (l *Lab) Running(i int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.servers[i].running()
}

// Pause stops server i's process (SIGSTOP): its connections stay open, new
// ones are accepted by its kernel, and nothing is answered. A server that has
// ended stays as it is.
func (l *Lab) Pause(i int) {
	l.inflict("pause", i, func(s *server) error {
		if s.running() {
			s.proc.Pause()
			s.paused = true
		}
		return nil
	})
}

// Resume lets a paused server go on.
func (l *Lab) Resume(i int) {
	l.inflict("resume", i, func(s *server) error {
		if s.running() {
			s.proc.Resume()
		}
		s.paused = false
		return nil
	})
}

// CutServer cuts server i off from everybody, the observer included: its port
// of the switch is down, and nobody gets as much as a reset.
func (l *Lab) CutServer(i int) {
	l.inflict("cut off", i, func(s *server) error {
		s.cut = true
		return l.plug(serverPort(i), false)
	})
}

// HealServer connects server i again.
func (l *Lab) HealServer(i int) {
	l.inflict("connect", i, func(s *server) error {
		s.cut = false
		return l.plug(serverPort(i), true)
	})
}

// FillDisk leaves server i no space to write. It ends with the next
// transaction, and as long as the disk is full it can't come back.
func (l *Lab) FillDisk(i int) { l.inflict("fill the disk of", i, (*server).fill) }

// FreeDisk gives server i its space back, and starts it again if it has
// ended, whatever had ended it. Where FillDisk was not called it does nothing.
func (l *Lab) FreeDisk(i int) {
	l.inflict("free the disk of", i, func(s *server) error {
		if !s.full {
			return nil
		}
		if err := os.Remove(s.filler()); err != nil {
			return err
		}
		s.full = false
		return s.start()
	})
}

// afflict does what a fault or a cure does, to the client.
func (l *Lab) afflict(what string, c int, do func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := do(); err != nil {
		l.t.Errorf("%s client %d: %v", what, c, err)
	}
}

// CutClient cuts off everything that runs in client c's namespace.
func (l *Lab) CutClient(c int) {
	l.afflict("cut off", c, func() error { return l.plug(clientPort(c), false) })
}

// HealClient connects client c again.
func (l *Lab) HealClient(c int) {
	l.afflict("connect", c, func() error { return l.plug(clientPort(c), true) })
}

// DropReplies loses, silently, what servers send to client c. What it sends
// still arrives: a request on an open connection is carried out, and nobody
// learns of it. New connections can't be made.
func (l *Lab) DropReplies(c int) {
	l.afflict("drop the replies to", c, func() error { return l.filterReplies(c, true) })
}

// HealReplies lets replies pass again. Those dropped come late, as TCP sends
// them again, on connections that both ends still have.
func (l *Lab) HealReplies(c int) {
	l.afflict("restore the replies to", c, func() error { return l.filterReplies(c, false) })
}

// Heal cures everything, starts what has ended, and waits until all servers
// serve, at most a minute. Call it from the test's own goroutine.
func (l *Lab) Heal() {
	l.t.Helper()
	for c := range l.clients {
		l.HealClient(c)
		l.HealReplies(c)
	}
	for i := range l.servers {
		l.HealServer(i)
		l.Resume(i)
		l.FreeDisk(i)
		l.Restart(i)
	}
	// One that is started on a full disk, or loses its quorum in a bad moment,
	// may end again.
	l.await(l.t, len(l.servers), (*server).start)
}
