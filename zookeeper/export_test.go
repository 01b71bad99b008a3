package zookeeper

import "time"

// BeforeCommit has f called before each write is sent.
func (s *Store) BeforeCommit(f func()) { s.beforeCommit = f }

// UseClock begins a new session, which goes by clock.
func (s *Store) UseClock(clock func() time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = clock
	s.retire(s.current)
}

// RetryUnread makes Follow try again after d what it could not read.
func (s *Store) RetryUnread(d time.Duration) { s.retryUnread = d }
