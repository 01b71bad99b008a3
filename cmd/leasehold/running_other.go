//go:build !linux

package main

import "os"

// seesRuns: only Linux shows what the processes of a host have open.
const seesRuns = false

func (job) publish() (*os.File, error) { return nil, nil }
func (job) goesOn() bool               { return false }
func runningJobs() ([]job, error)      { return nil, nil }
