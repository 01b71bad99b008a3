package main

import (
	"io/fs"
	"time"
)

// A localRun is a run that has its lease, as "leasehold drain" shows it.
type localRun struct {
	Path    string    `json:"path"`
	Holder  string    `json:"holder"`
	User    string    `json:"user,omitempty"` // what follows is set by who finds it
	PID     int       `json:"pid,omitempty"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
	Release string    `json:"release"`

	StateDirs []string `json:"state_dirs,omitempty"` // whose drains it obeys

	file string      // its file in /proc
	info fs.FileInfo // of that
}
