package faultlab

import "os"

// onServer does to server i what a fault or its end does.
func (l *Lab) onServer(what string, i int, do func(s *server) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := do(l.servers[i]); err != nil {
		l.t.Errorf("%s server %d: %v", what, i, err)
	}
}

// onClient does to client c what a fault or its end does.
func (l *Lab) onClient(what string, c int, do func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := do(); err != nil {
		l.t.Errorf("%s client %d: %v", what, c, err)
	}
}

// Kill ends server i as kill -9 does. Its disk stays as it is.
func (l *Lab) Kill(i int) {
	l.onServer("kill", i, func(s *server) error { s.kill(); return nil })
}

// Restart starts server i again if it has ended, by Kill or by itself, and
// doesn't wait until it serves.
func (l *Lab) Restart(i int) { l.onServer("restart", i, (*server).start) }

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
	l.onServer("pause", i, func(s *server) error {
		if s.running() {
			s.proc.Pause()
			s.paused = true
		}
		return nil
	})
}

// Resume lets a paused server continue.
func (l *Lab) Resume(i int) {
	l.onServer("resume", i, func(s *server) error {
		if s.running() {
			s.proc.Resume()
		}
		s.paused = false
		return nil
	})
}

// CutServer cuts server i off from everybody, the observer included: its port
// of the switch is down, and nobody gets a reset.
func (l *Lab) CutServer(i int) {
	l.onServer("cut off", i, func(s *server) error {
		s.cut = true
		return l.setPort(serverPort(i), false)
	})
}

// HealServer connects server i again.
func (l *Lab) HealServer(i int) {
	l.onServer("heal", i, func(s *server) error {
		s.cut = false
		return l.setPort(serverPort(i), true)
	})
}

// FillDisk leaves server i no space to write. The server ends with the next
// transaction, and can't start again as long as the disk is full.
func (l *Lab) FillDisk(i int) { l.onServer("fill the disk of", i, (*server).fill) }

// FreeDisk gives server i its space back, and starts it again if it has ended,
// for whatever cause. Without FillDisk before it does nothing.
func (l *Lab) FreeDisk(i int) {
	l.onServer("free the disk of", i, func(s *server) error {
		if !s.diskFull {
			return nil
		}
		if err := os.Remove(s.filler()); err != nil {
			return err
		}
		s.diskFull = false
		return s.start()
	})
}

// CutClient cuts off everything that runs in client c's namespace.
func (l *Lab) CutClient(c int) {
	l.onClient("cut off", c, func() error { return l.setPort(clientPort(c), false) })
}

// HealClient connects client c again.
func (l *Lab) HealClient(c int) {
	l.onClient("heal", c, func() error { return l.setPort(clientPort(c), true) })
}

// DropReplies drops what servers send to client c. What the client sends still
// arrives: a request on an open connection is carried out, and its reply is
// lost. New connections can't be made.
func (l *Lab) DropReplies(c int) {
	l.onClient("drop the replies to", c, func() error { return l.filterReplies(c, true) })
}

// HealReplies lets replies pass again. Dropped ones come late, since TCP sends
// them again, on connections that both ends still have.
func (l *Lab) HealReplies(c int) {
	l.onClient("restore the replies to", c, func() error { return l.filterReplies(c, false) })
}

// Heal ends all faults, starts the servers that have ended, and waits until all
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
	// A server that was started on a full disk may end again, and so may one
	// that loses its quorum while it starts.
	l.await(l.t, len(l.servers), (*server).start)
}
