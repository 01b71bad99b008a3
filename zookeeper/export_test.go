package zookeeper

// BeforeCommit has f called before each write is sent.
func (s *Store) BeforeCommit(f func()) { s.beforeCommit = f }
