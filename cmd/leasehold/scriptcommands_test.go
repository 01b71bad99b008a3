package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/internal/zktest/child"
)

// scriptCommands are what the scripts have beside testscript's own commands.
func scriptCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, []string){
		// exits CODE COMMAND… runs it and wants that exit code.
		"exits": cmdExits,
		// start NAME COMMAND… runs it in a session of its own, with its output
		// in NAME.out and NAME.err; ended NAME CODE waits for its end.
		"start": func(ts *testscript.TestScript, args []string) { startProcess(ts, args[0], args[1:], false) },
		"ended": cmdEnded,
		// terminal NAME COMMAND… is start with a new controlling terminal,
		// whose output is in NAME.out; type NAME TEXT types on it: \n, \t, ^C, ^U
		// and ^Z are what they are there.
		"terminal": func(ts *testscript.TestScript, args []string) { startProcess(ts, args[0], args[1:], true) },
		"type":     cmdType,
		// signal NAME|FILE SIGNAL sends it to a process that was started, or
		// whose pid is in the file.
		"signal": cmdSignal,
		// waitfor FILE [REGEXP] waits until the file has any text, or that.
		"waitfor": cmdWaitfor,
		// gone FILE… waits until the processes are gone whose pids are in them.
		"gone": cmdGone,
		// plant PATH FILE makes the file's text the record of a lease that was
		// acquired once; record PATH prints it.
		"plant":  cmdPlant,
		"record": cmdRecord,
		// ensemble NAME starts a ZooKeeper server of this script's own and
		// makes it the store; pause, resume and kill are for that.
		"ensemble": func(ts *testscript.TestScript, args []string) { cmdEnsemble(t, ts) },
		// secured starts a server of this script's own that lets nobody in but
		// SASL users and those who show a certificate: see cmdSecured.
		"secured":   func(ts *testscript.TestScript, _ []string) { cmdSecured(t, ts) },
		"pausezk":   func(ts *testscript.TestScript, _ []string) { ownServer(ts).Pause() },
		"resumezk":  func(ts *testscript.TestScript, _ []string) { ownServer(ts).Resume() },
		"killzk":    func(ts *testscript.TestScript, _ []string) { ownServer(ts).Kill() },
		"znode":     cmdZnode,
		"protect":   cmdProtect,
		"elapsed":   cmdElapsed,
		"stopwatch": cmdStopwatch,
	}
	all := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range commands {
		all[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("%s can't be negated", name)
			}
			f(ts, args)
		}
	}
	return all
}

// patience is how long anything may take that is waited for.
const patience = 30 * time.Second

func cmdExits(ts *testscript.TestScript, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	checkCode(ts, err, args[0])
}

func checkCode(ts *testscript.TestScript, err error, want string) {
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("got exit code %d (%v), want %s", code, err, want)
	}
}

type processesKey struct{}

// A process was started by a script.
type process struct {
	*child.Process
	terminal *os.File // the side that a person sits at
}

func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processesKey{}).(map[string]*process)
}

func startProcess(ts *testscript.TestScript, name string, args []string, onTerminal bool) {
	ts.Check(ts.Exec("env", "-0")) // the script's environment has no other way out
	var env []string
	for entry := range strings.SplitSeq(ts.ReadFile("stdout"), "\x00") {
		if entry != "" {
			env = append(env, entry)
		}
	}
	// Whoever runs the tests may have these ignored: nohup, or a shell in the
	// background.
	cmd := exec.Command("env", append([]string{"--default-signal=HUP,INT,QUIT"}, args...)...)
	cmd.Env, cmd.Dir = env, ts.MkAbs(".")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	p := &process{}
	if onTerminal {
		person, tty, err := pty.Open()
		ts.Check(err)
		defer tty.Close()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
		cmd.SysProcAttr.Setctty = true
		p.terminal = person
		go func() {
			defer out.Close()
			_, _ = out.ReadFrom(person) // ends with an error once nobody has the terminal open
		}()
		ts.Defer(func() { person.Close() })
	} else {
		errs, err := os.Create(ts.MkAbs(name + ".err"))
		ts.Check(err)
		defer errs.Close()
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, errs
	}
	p.Process, err = child.Start(cmd)
	ts.Check(err)
	ts.Defer(func() {
		p.Kill()
		killSession(p.Pid())
	})
	processes(ts)[name] = p
}

// killSession kills what a failed script has left behind in the session.
func killSession(session int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, _ := os.ReadFile(name)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the fourth is the session
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && len(fields) > 3 && fields[3] == strconv.Itoa(session) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func cmdEnded(ts *testscript.TestScript, args []string) {
	p := processes(ts)[args[0]]
	select {
	case <-p.Done():
	case <-time.After(patience):
		ts.Fatalf("%s still runs after %v; it said: %s", args[0], patience, said(ts, args[0]))
	}
	ts.Logf("%s said: %s", args[0], said(ts, args[0]))
	checkCode(ts, p.Err(), args[1])
}

func said(ts *testscript.TestScript, name string) string {
	out, _ := os.ReadFile(ts.MkAbs(name + ".out"))
	errs, _ := os.ReadFile(ts.MkAbs(name + ".err"))
	return string(out) + string(errs)
}

func cmdType(ts *testscript.TestScript, args []string) {
	text := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `^U`, "\x15", `^C`, "\x03", `^Z`, "\x1a").Replace(args[1])
	_, err := processes(ts)[args[0]].terminal.WriteString(text)
	ts.Check(err)
}

func cmdSignal(ts *testscript.TestScript, args []string) {
	sig := unix.SignalNum("SIG" + args[1])
	if sig == 0 {
		ts.Fatalf("no signal %q", args[1])
	}
	if p := processes(ts)[args[0]]; p != nil {
		ts.Check(unix.Kill(p.Pid(), sig))
		return
	}
	ts.Check(unix.Kill(pidIn(ts, args[0]), sig))
}

func pidIn(ts *testscript.TestScript, file string) int {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
	ts.Check(err)
	if pid <= 1 {
		ts.Fatalf("pid %d in %s", pid, file)
	}
	return pid
}

// await calls done until it says so.
func await(ts *testscript.TestScript, what string, done func() bool) {
	for start := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			for name := range processes(ts) {
				ts.Logf("%s said: %s", name, said(ts, name))
			}
			ts.Fatalf("no %s after %v", what, patience)
		}
	}
}

func cmdWaitfor(ts *testscript.TestScript, args []string) {
	want := regexp.MustCompile(strings.Join(args[1:], " "))
	await(ts, strings.Join(args, " "), func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && len(text) > 0 && want.Match(text)
	})
}

func cmdGone(ts *testscript.TestScript, args []string) {
	for _, file := range args {
		pid := pidIn(ts, file)
		await(ts, "end of the process in "+file, func() bool {
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
	}
}

// stopwatches holds a time.Time for each script that measures.
var stopwatches sync.Map

// cmdStopwatch begins to measure; elapsed FROM TO wants what has gone by to be
// between these durations.
func cmdStopwatch(ts *testscript.TestScript, _ []string) { stopwatches.Store(ts, time.Now()) }

func cmdElapsed(ts *testscript.TestScript, args []string) {
	began, _ := stopwatches.Load(ts)
	got := time.Since(began.(time.Time))
	from, err := time.ParseDuration(args[0])
	ts.Check(err)
	to, err := time.ParseDuration(args[1])
	ts.Check(err)
	if got < from || got > to {
		ts.Fatalf("got %v elapsed, want %v to %v", got, from, to)
	}
}
