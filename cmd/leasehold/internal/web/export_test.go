package web

import "time"

// SetLimits makes limits small enough to be reached. It is for before Init.
func (s *Server) SetLimits(connections, streams int, header time.Duration) {
	s.limits = defaultLimits
	s.limits.connections, s.limits.streams, s.limits.header = int64(connections), int64(streams), header
}

// SetAnswerTime sets how long an answer may take. It is for before Init.
func (s *Server) SetAnswerTime(d time.Duration) {
	s.limits = defaultLimits
	s.limits.answer, s.limits.request = d, d
}

// Listeners returns how many clients events are sent to.
func (s *Server) Listeners() int64 { return s.listeners.Load() }
