package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// ownCPU returns the processor seconds that this process has used.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it can only be called wrongly
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func processors() int { return runtime.NumCPU() }

// usage returns the processor seconds that the server and this process have
// used, and those of the whole machine.
func (b *bench) usage() (ours, all float64, err error) {
	total, _, err := b.cpu()
	if err != nil {
		return 0, 0, err
	}
	all, err = machineCPU()
	return total + ownCPU(), all, err
}

// machineCPU returns the seconds that all processors together were busy.
func machineCPU() (float64, error) {
	const ticks = 100 // a second, on every Linux that Go runs on
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	busy := 0.0
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, errors.Join(errors.New("/proc/stat"), err)
		}
		busy += n / ticks
	}
	return busy, nil
}

// machineName returns what the processor is called.
func machineName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
