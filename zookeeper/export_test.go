package zookeeper

// BeforeCommit has f called before each write is sent.
func (s *Store) BeforeCommit(f func()) { s.beforeCommit = f }

// ParseURL is parseURL, with what it found in a form to compare.
func ParseURL(url string) (hosts []string, chroot string, guardOff bool, err error) {
	a, err := parseURL(url)
	return a.hosts, a.chroot, a.guardOff, err
}

// WantsTLS reports whether a URL that parses asks for TLS.
func WantsTLS(url string) bool {
	a, err := parseURL(url)
	return err == nil && a.tls
}

// DigestMD5 answers a challenge as user, and returns the server's proof to be.
func DigestMD5(user, password, uri, cnonce, challenge string) (response, proof string, err error) {
	return (&digestMD5{user, password, uri, cnonce}).respond(challenge)
}
