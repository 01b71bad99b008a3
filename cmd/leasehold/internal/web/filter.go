package web

import (
	"io"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
)

// A filter finds leases. Its zero value finds all.
type filter struct {
	text  string // in a path or a holder; in lower case
	state string // one of page.States

	policy jobs.Policy
}

func (f filter) isValid() bool { return f.state == "" || slices.Contains(page.States, f.state) }

// matches reports whether f finds j as it is at the moment now.
func (f filter) matches(j jobs.Job, now time.Time) bool {
	if f.text != "" && !strings.Contains(strings.ToLower(j.Path), f.text) && !strings.Contains(strings.ToLower(j.Holder), f.text) {
		return false
	}
	return f.state == "" || f.state == j.State.String() || f.state == string(j.Run(now)) || f.state == string(j.Judge(f.policy, now).Problem)
}

func writeJob(w io.Writer, j jobs.Job, now time.Time) error {
	line, err := jobs.JSON([]jobs.Job{j}, now)
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}
