package kazootest

// A Lock is kazoo's own lock on a lease path, held or queued for.
type Lock struct {
	Node string // the name of its lock node

	peer   *Peer
	handle int
}

// Lock takes kazoo's lock on path and holds it until Unlock.
func (p *Peer) Lock(path, holder string) (*Lock, error) {
	l, err := p.QueueLock(path, holder)
	if err != nil {
		return nil, err
	}
	return l, l.Await()
}

// QueueLock creates a lock node below path and does not wait for the lock,
// which will be held as soon as it is free.
func (p *Peer) QueueLock(path, holder string) (*Lock, error) {
	var result struct {
		Handle int    `json:"handle"`
		Node   string `json:"node"`
	}
	if err := p.call(request{Op: "lock", Path: path, Holder: holder}, &result); err != nil {
		return nil, err
	}
	return &Lock{Node: result.Node, peer: p, handle: result.Handle}, nil
}

// Await waits until the lock is held.
func (l *Lock) Await() error { return l.peer.call(request{Op: "await", Handle: l.handle}, nil) }

// Unlock gives the lock, or the place in the queue, up.
func (l *Lock) Unlock() error { return l.peer.call(request{Op: "unlock", Handle: l.handle}, nil) }

// Create creates a persistent node, and its missing parents.
func (p *Peer) Create(path string, data []byte) error {
	return p.call(request{Op: "create", Path: path, Data: data}, nil)
}

// CreateEphemeral creates a node, named with a sequence number behind path,
// that ends with the Peer's session. It returns its path.
func (p *Peer) CreateEphemeral(path string, data []byte) (created string, err error) {
	err = p.call(request{Op: "create", Path: path, Data: data, Ephemeral: true, Sequence: true}, &created)
	return created, err
}

// Set replaces the data of a node, whatever its version.
func (p *Peer) Set(path string, data []byte) error {
	return p.call(request{Op: "set", Path: path, Data: data}, nil)
}

// Get returns the data of a node. Where there is none, the error's Type is
// "NoNodeError".
func (p *Peer) Get(path string) ([]byte, error) {
	var result struct {
		Data []byte `json:"data"`
	}
	err := p.call(request{Op: "get", Path: path}, &result)
	return result.Data, err
}

// Children returns the names of a node's children in the order of their bytes.
func (p *Peer) Children(path string) (names []string, err error) {
	err = p.call(request{Op: "children", Path: path}, &names)
	return names, err
}

// Delete deletes a node that has no children.
func (p *Peer) Delete(path string) error {
	return p.call(request{Op: "delete", Path: path}, nil)
}

// DeleteTree deletes a node and all below it.
func (p *Peer) DeleteTree(path string) error {
	return p.call(request{Op: "delete", Path: path, Recursive: true}, nil)
}
