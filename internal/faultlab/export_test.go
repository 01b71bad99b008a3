package faultlab

import "os"

// Inside reports whether Main has made its namespaces.
func Inside() bool { return os.Getenv(insideVar) != "" }

// Dial connects as Conn does.
var Dial = dial

// Purge removes what servers don't need any more, as it is done in the
// background.
func (l *Lab) Purge() { l.purgeNow() }

// Data returns where server i keeps its data.
func (l *Lab) Data(i int) string { return l.servers[i].data() }
