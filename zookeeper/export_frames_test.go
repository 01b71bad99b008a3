package zookeeper

import "net"

// Framed returns c as the client library gets it.
func Framed(c net.Conn) net.Conn { return newFramedConn(c, "host", func(error) {}) }
