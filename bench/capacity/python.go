package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"leasehold.example/leasehold/internal/zktest/child"
)

//go:embed herd.py
var script string

// A python is a Python process with kazoo.
type python struct {
	version string // of kazoo
	proc    *child.Process
	in      io.WriteCloser
	out     *bufio.Scanner
}

// An order is what a python is to do; herd.py says what.
type order struct {
	Op      string   `json:"op"`
	N       int      `json:"n"`
	Path    string   `json:"path"`
	Holders []string `json:"holders"`
	Start   float64  `json:"start"` // Unix time
}

type herdResult struct {
	Seconds []float64 `json:"seconds"`
	Granted int       `json:"granted"`
}

func startPython(addr string) (*python, error) {
	cmd := exec.Command("/usr/bin/python3", "-c", script, addr) // Debian's, which has python3-kazoo
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &python{in: in, out: bufio.NewScanner(out)}
	p.out.Buffer(nil, 16<<20)
	if p.proc, err = child.Start(cmd); err != nil {
		return nil, err
	}
	var hello struct{ Version string }
	if err := p.receive(&hello); err != nil {
		p.proc.Kill()
		return nil, fmt.Errorf("kazoo: %w; apt-get install python3-kazoo", err)
	}
	p.version = hello.Version
	return p, nil
}

// do carries out an order and returns the processor seconds that it took.
func (p *python) do(o order) (result herdResult, cpu float64, err error) {
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return result, 0, err
	}
	var answer struct {
		Result herdResult
		CPU    float64
		Error  string
	}
	if err := p.receive(&answer); err != nil {
		return result, 0, err
	}
	if answer.Error != "" {
		return result, 0, fmt.Errorf("kazoo: %s: %s", o.Op, answer.Error)
	}
	return answer.Result, answer.CPU, nil
}

func (p *python) receive(v any) error {
	if !p.out.Scan() {
		return errors.Join(p.out.Err(), errors.New("its Python ended"))
	}
	return json.Unmarshal(p.out.Bytes(), v)
}
