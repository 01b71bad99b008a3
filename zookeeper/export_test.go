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
