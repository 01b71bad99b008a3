package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// maxBody is more than a form has, in bytes.
const maxBody = 8 << 10

// A wrongRequest is what is wrong with a request.
type wrongRequest struct {
	status  int
	message string
}

func (w *wrongRequest) Error() string { return w.message }

func wrong(status int, format string, args ...any) error {
	return &wrongRequest{status, fmt.Sprintf(format, args...)}
}

// writeContext returns the context of a change. It does not end when the client goes:
// a change that was begun is ended.
func (s *Server) writeContext(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), s.Timeout)
}

// serveWrite changes a lease, and answers with what it is afterwards; with no content
// where that can't be read any more, since an error would say that nothing was changed.
func (s *Server) serveWrite(w http.ResponseWriter, r *http.Request) {
	path := "/" + r.PathValue("path")
	ctx, cancel := s.writeContext(r)
	defer cancel()
	if err := s.write(ctx, w, r, path); err != nil {
		refuse(w, statusOf(err), "%v", err)
		return
	}
	c := s.Client()
	status, err := c.Status(ctx, path)
	var all []jobs.Job
	if err == nil {
		all, err = jobs.Read(ctx, c, []leasehold.Status{status})
	}
	if err != nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.begin(w, asJSON, time.Time{})
	_ = writeJob(w, all[0], time.Now()) // whoever asked may have gone
}

// write does what the form in r says to the lease at path.
func (s *Server) write(ctx context.Context, w http.ResponseWriter, r *http.Request, path string) error {
	by, err := s.userOf(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return wrong(http.StatusBadRequest, "read the form: %v", err)
	}
	if err := leasehold.CheckPath(path); err != nil {
		return err
	}
	action, reason := r.PostForm.Get("action"), strings.TrimSpace(r.PostForm.Get("reason"))
	switch {
	case reason == "":
		return wrong(http.StatusBadRequest, "missing reason")
	case len(reason) > runlog.MaxText:
		return wrong(http.StatusBadRequest, "reason has %d bytes, must have at most %d", len(reason), runlog.MaxText)
	}
	c := s.Client()
	if c == nil {
		return fmt.Errorf("%w: it was not reached yet", leasehold.ErrUnreachable)
	}
	if snapshot, _ := s.Snapshot(); snapshot.Job(path) == nil { // it may be above the prefix that is served
		return wrong(http.StatusNotFound, "no lease at %s", path)
	}
	switch action {
	case "release":
		token, err := strconv.ParseInt(r.PostForm.Get("token"), 10, 64)
		if err != nil || token < 1 {
			return wrong(http.StatusBadRequest, "token is %q, want a positive number, as a lease shows it", r.PostForm.Get("token"))
		}
		return s.logged(by, action, path, reason, c.ForceRelease(ctx, path, token))
	case "again":
		if err := checkTick(ctx, c, path, r.PostForm.Get("tick")); err != nil {
			return err
		}
		return s.logged(by, action, path, reason, c.Reopen(ctx, path, by, reason))
	case "pause":
		return s.logged(by, action, path, reason, c.Pause(ctx, path, by, reason))
	case "resume":
		return s.logged(by, action, path, reason, c.Resume(ctx, path, by, reason))
	}
	return wrong(http.StatusBadRequest, "action is %q, want release, again, pause or resume", action)
}

// checkTick returns an error if tick, which may be "", is not the newest any more: who
// confirms one more run of it does not mean another's.
func checkTick(ctx context.Context, c *leasehold.Client, path, tick string) error {
	if tick == "" {
		return nil
	}
	log, err := c.Runs(ctx, path)
	if newest := text.Time(log.Head.Tick); err == nil && newest != tick {
		return wrong(http.StatusConflict, "the newest tick that was begun is not that of %s, but of %s", tick, newest)
	}
	return err
}

// userOf returns who sends r.
func (s *Server) userOf(r *http.Request) (string, error) {
	if s.UserHeader == "" {
		return s.User, nil
	}
	users := r.Header.Values(s.UserHeader)
	if len(users) != 1 || leasehold.CheckHolder(users[0]) != nil {
		return "", wrong(http.StatusForbidden, "the proxy does not name a user in the header %s", s.UserHeader)
	}
	return users[0], nil
}

// logged says what was done by hand, since a release is in no run log.
func (s *Server) logged(by, action, path, reason string, err error) error {
	outcome := "done"
	if err != nil {
		outcome = err.Error()
	}
	s.Say("%s of %s by %q: %s (%s)", action, text.Escape(path), by, reason, outcome)
	return err
}

// statusOf returns the HTTP status for an error of a write.
func statusOf(err error) int {
	var (
		request  *wrongRequest
		argument *leasehold.ArgumentError
		record   *leasehold.RecordError
		log      *leasehold.LogError
	)
	switch {
	case errors.As(err, &request):
		return request.status
	case errors.As(err, &argument):
		return http.StatusBadRequest
	case errors.Is(err, leasehold.ErrOutcomeUnknown):
		return http.StatusGatewayTimeout
	case errors.Is(err, leasehold.ErrLost), errors.Is(err, leasehold.ErrNoTick):
		return http.StatusConflict
	case errors.Is(err, leasehold.ErrPermission):
		return http.StatusForbidden
	case errors.As(err, &record), errors.As(err, &log):
		return http.StatusBadGateway
	case errors.Is(err, leasehold.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
