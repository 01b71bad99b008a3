// Command report draws docs/performance.md and its plots from the figures of a
// run of bench.
package main

import (
	"flag"
	"fmt"
	"os"

	"leasehold.example/leasehold/bench/report"
	"leasehold.example/leasehold/bench/result"
)

func main() {
	in := flag.String("in", "results/performance.json", "the file with the figures")
	docs := flag.String("docs", "../docs", "the folder of the page")
	flag.Parse()
	if err := run(*in, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in, docs string) error {
	f, err := result.Load(in)
	if err != nil {
		return err
	}
	f.Grow()
	f.Judge()
	return report.Write(docs, in, f)
}
