// Command host stands for one host of a fleet (package fleet). As its cron it
// starts a program every so often, whether or not the one before has ended; as
// the job it takes a while:
//
//	host cron FILE NAME EVERY PHASE UNTIL PROGRAM [ARG...]
//	host job FILE TIME
//
// Both append what they do to FILE.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"leasehold.example/leasehold/soak/fleet"
)

// fireVariable tells the job which firing it belongs to.
const fireVariable = "FLEET_FIRE"

func main() {
	log.SetFlags(0)
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "job":
		job(args[1], duration(args[2]))
	case len(args) > 6 && args[0] == "cron":
		until, err := time.Parse(time.RFC3339, args[5])
		if err != nil {
			log.Fatal(err)
		}
		cron(args[1], args[2], duration(args[3]), duration(args[4]), until, args[6:])
	default:
		log.Fatal("usage: host cron FILE NAME EVERY PHASE UNTIL PROGRAM [ARG...], or host job FILE TIME")
	}
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		log.Fatal(err)
	}
	return d
}

func note(file string, e fleet.Event) {
	if err := fleet.Append(file, fleet.Now(e)); err != nil {
		log.Fatal(err)
	}
}

// cron starts the program at the multiples of every, plus phase, before until,
// and returns when all of them have ended.
func cron(file, name string, every, phase time.Duration, until time.Time, program []string) {
	var running sync.WaitGroup
	defer running.Wait()
	for fire := 1; ; fire++ {
		next := time.Now().Add(-phase).Truncate(every).Add(every + phase).UTC()
		if !next.Before(until) {
			return
		}
		time.Sleep(time.Until(next))
		running.Go(func() {
			note(file, fleet.Event{Kind: fleet.Fired, Host: name, Fire: fire, Planned: next})
			var stderr bytes.Buffer
			cmd := exec.Command(program[0], program[1:]...)
			cmd.Env = append(os.Environ(), fireVariable+"="+strconv.Itoa(fire))
			cmd.Stderr = &stderr
			err := cmd.Run()
			if cmd.ProcessState == nil {
				log.Fatal(err)
			}
			note(file, fleet.Event{Kind: fleet.Exited, Host: name, Fire: fire, Exit: cmd.ProcessState.ExitCode(), Stderr: stderr.String()})
		})
	}
}

func job(file string, takes time.Duration) {
	begun := fleet.Event{Kind: fleet.Begun, Host: os.Getenv("LEASEHOLD_HOLDER")}
	var errs [3]error
	begun.Fire, errs[0] = strconv.Atoi(os.Getenv(fireVariable))
	begun.Attempt, errs[1] = strconv.Atoi(os.Getenv("LEASEHOLD_ATTEMPT"))
	begun.Tick, errs[2] = time.Parse(time.RFC3339, os.Getenv("LEASEHOLD_TICK"))
	for _, err := range errs {
		if err != nil {
			log.Fatal(fmt.Errorf("the job's environment: %w", err))
		}
	}
	note(file, begun)
	time.Sleep(takes)
	ended := begun
	ended.Kind = fleet.Ended
	note(file, ended)
}
