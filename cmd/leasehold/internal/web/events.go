package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const (
	// A client takes a connection that is silent for 2 seconds for lost.
	stateTime = time.Second

	// What changes again and again is sent once in so much time. That the state of the
	// store is not known is to be told within 2 s, of which a Board takes 1.8 s.
	eventTime = 100 * time.Millisecond
)

// A stateEvent is sent each second, and before and after all others.
type stateEvent struct {
	Version      string `json:"version"`                 // another one if a lease has changed
	UnknownSince string `json:"unknown_since,omitempty"` // absent while the state of the store is known
}

// A goneEvent says that there is no lease at a path any more.
type goneEvent struct {
	Path string `json:"path"`
}

// serveEvents sends server-sent events: what has changed since the client came.
// Nothing is kept for clients that come back: they read the list again.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	defer s.listeners.Add(-1)
	if s.listeners.Add(1) > s.limits.streams {
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, "too many clients listen to events")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx keeps answers back else
	if r.Method == http.MethodHead {
		return
	}
	st := &stream{server: s, w: w, control: http.NewResponseController(w), onlyState: r.URL.Query().Get("only") == "state"}
	second := time.NewTicker(stateTime)
	defer second.Stop()
	snapshot, changed := s.Snapshot()
	if st.send(snapshot, snapshot) != nil {
		return
	}
	for {
		select {
		case <-second.C:
		case <-changed:
			select {
			case <-time.After(eventTime):
			case <-r.Context().Done():
				return
			}
		case <-r.Context().Done():
			return
		case <-s.streams.Done():
			return
		}
		former := snapshot
		snapshot, changed = s.Snapshot()
		if st.send(former, snapshot) != nil { // the client has gone, or is too slow
			return
		}
	}
}

// A stream is the answer to one listener.
type stream struct {
	server    *Server
	w         http.ResponseWriter
	control   *http.ResponseController
	onlyState bool  // no other events
	err       error // of the first write that failed
}

// send sends what makes another snapshot of former.
func (st *stream) send(former, snapshot *board.Snapshot) error {
	st.err = st.control.SetWriteDeadline(time.Now().Add(st.server.limits.answer))
	state, err := json.Marshal(stateEvent{
		Version: st.server.version(snapshot), UnknownSince: text.Time(st.server.unknownSince(snapshot)),
	})
	if err != nil {
		return err
	}
	if !st.onlyState {
		if err := st.sendChanges(former, snapshot); err != nil {
			return err
		}
	}
	st.printf("data: %s\n\n", state)
	if st.err == nil {
		st.err = st.control.Flush()
	}
	return st.err
}

func (st *stream) sendChanges(former, snapshot *board.Snapshot) error {
	now := time.Now()
	for change := range changes(former.Jobs, snapshot.Jobs) {
		if change.is == nil {
			gone, err := json.Marshal(goneEvent{change.was.Path})
			if err != nil {
				return err
			}
			st.printf("event: gone\ndata: %s\n\n", text.JSON(gone))
			continue
		}
		line, err := jobs.JSON([]jobs.Job{change.is.At(now)}, now)
		if err != nil {
			return err
		}
		st.printf("event: lease\ndata: %s\n", line) // which ends a line
	}
	return nil
}

func (st *stream) printf(format string, args ...any) {
	if st.err == nil {
		_, st.err = fmt.Fprintf(st.w, format, args...)
	}
}

// A change is what was and what is at a path, nil for nothing.
type change struct{ was, is *board.Job }

// changes yields what differs between two pictures. Jobs that have stayed the same
// are the same pointers.
func changes(former, current []*board.Job) func(yield func(change) bool) {
	return func(yield func(change) bool) {
		for len(former) > 0 || len(current) > 0 {
			var c change
			switch {
			case len(current) == 0 || len(former) > 0 && former[0].Path < current[0].Path:
				c.was, former = former[0], former[1:]
			case len(former) == 0 || current[0].Path < former[0].Path:
				c.is, current = current[0], current[1:]
			default:
				c = change{former[0], current[0]}
				former, current = former[1:], current[1:]
			}
			if c.was != c.is && !yield(c) {
				return
			}
		}
	}
}
