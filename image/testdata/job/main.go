// Command job is what the tests run in the image.
package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(what string) error {
	switch what {
	case "look": // for what the image has
		pool, err := x509.SystemCertPool()
		if err != nil {
			return err
		}
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			return err
		}
		first, err := os.ReadFile("/proc/1/comm")
		fmt.Printf("uid %d, process 1 is %s, %s, trusts: %t\n", os.Getuid(), bytes.TrimSpace(first), zone, !pool.Equal(x509.NewCertPool()))
		return err
	case "term": // ends with 7 at SIGTERM
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		fmt.Println("ready")
		<-terms
		fmt.Println("terminated")
		os.Exit(7)
	case "orphan": // leaves a process that ends soon, and is nobody's then
		return exec.Command("/job", "sleep").Start()
	case "sleep":
		time.Sleep(200 * time.Millisecond)
	case "reap": // waits until nothing is left of ten orphans
		for range 10 {
			if err := exec.Command("/job", "orphan").Run(); err != nil {
				return err
			}
		}
		for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			left, zombies := others()
			switch {
			case left == 0:
				fmt.Println("all reaped")
				return nil
			case time.Since(start) > 30*time.Second:
				return fmt.Errorf("%d are left, of which %d are zombies", left, zombies)
			}
		}
	}
	return nil
}

// others counts the other processes of this program, and those that have ended.
func others() (left, zombies int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(stat, []byte(" (job) ")) || bytes.HasPrefix(stat, fmt.Appendf(nil, "%d ", os.Getpid())) {
			continue
		}
		left++
		if bytes.Contains(stat, []byte(" (job) Z ")) {
			zombies++
		}
	}
	return left, zombies
}
