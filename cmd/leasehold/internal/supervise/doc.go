// Package supervise runs a command that must end before a deadline, and the
// deadline moves.
//
// The command is the child of a watchdog, a second process that stops it in
// time even if this one is killed, stopped or held up. On Linux both are
// subreapers, so that whatever the command has started, in whatever process
// group or session, stays below one of the two and is stopped with it.
//
// [Start], [Child.Wait], perhaps [Child.Rest] or [Child.WaitForRest], and then [Child.Stop] or [Child.Detach] are all that a
// program calls. The watchdog is the program itself, executed again under the
// name [WatchdogName]: main calls [Watch] then, before anything else.
package supervise
