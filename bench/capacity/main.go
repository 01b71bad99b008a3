// Command capacity measures what a start of a job costs a ZooKeeper ensemble,
// with Leasehold and with kazoo, computes from that how many starts an ensemble
// carries, and makes docs/capacity.md of both.
package main

import (
	"flag"
	"fmt"
	"os"
)

// results is where the figures are kept.
const results = "results/capacity.json"

func main() {
	draw := flag.Bool("draw", false, "measure nothing, and make the page from the figures that are kept")
	dir := flag.String("dir", "/var/tmp", "the folder, on a disk, for the server's data")
	flag.Parse()
	var err error
	if !*draw {
		err = measure(*dir)
	}
	if err == nil {
		err = writePage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}
