package zk

// The requests' types (ZooDefs.OpCode).
const (
	opCreate      = 1 // in a transaction
	opDelete      = 2 // in a transaction
	opExists      = 3
	opGetData     = 4
	opSetData     = 5 // in a transaction
	opGetACL      = 6
	opSync        = 9
	opPing        = 11
	opGetChildren = 12 // with the Stat
	opCheck       = 13 // in a transaction
	opMulti       = 14
	opAuth        = 100
	opSASL        = 102
	opAddWatch    = 106
	opClose       = -11
	opError       = -1 // in the result of a transaction
)

// A Request is what a server is asked.
type Request struct {
	op    int32
	path  string // of what is read or synced
	watch bool   // opGetData, opExists
	ops   []Op   // opMulti

	changed func(path string) // opAddWatch
}

// GetData asks for a node's Data and Stat.
func GetData(path string) Request { return Request{op: opGetData, path: path} }

// GetDataW is GetData with a watch, which is set if the node exists.
func GetDataW(path string) Request { return Request{op: opGetData, path: path, watch: true} }

// Exists asks for a node's Stat.
func Exists(path string) Request { return Request{op: opExists, path: path} }

// ExistsW is Exists with a watch, which is also set if there is no such node.
func ExistsW(path string) Request { return Request{op: opExists, path: path, watch: true} }

// GetChildren asks for the Children of a node, and its Stat.
func GetChildren(path string) Request { return Request{op: opGetChildren, path: path} }

// GetACL asks for a node's ACL and Stat.
func GetACL(path string) Request { return Request{op: opGetACL, path: path} }

// Sync makes what the session reads afterwards as new as what the leader knows.
func Sync(path string) Request { return Request{op: opSync, path: path} }

// AddWatch has changed called whenever a node at or below path, which need not
// exist, was created or deleted or its data was set, until the connection is lost:
// what happens after that is not made up for. changed gets the path of that node,
// or of its parent. It must return at once. A change that a later answer shows has been told before
// it. Of nodes that this user may not read, a server from 3.8.4 on tells nothing.
// Those before 3.6 answer ErrUnimplemented.
func AddWatch(path string, changed func(path string)) Request {
	return Request{op: opAddWatch, path: path, changed: changed}
}

// Ping asks for an answer and nothing else.
func Ping() Request { return Request{op: opPing} }

// Multi asks for a transaction: all of ops, or none.
func Multi(ops ...Op) Request { return Request{op: opMulti, ops: ops} }

// An Op is an operation of a transaction: *Create, *Delete, *SetData or *Check.
type Op interface {
	code() int32
	encode(b []byte) []byte // appends what comes after the header
}

// AnyVersion stands for the version that a node has.
const AnyVersion = -1

// A Create creates a node.
type Create struct {
	Path  string
	Data  []byte
	ACL   []ACL
	Flags int32
}

// The flags of a Create.
const (
	Ephemeral int32 = 1
	Sequence  int32 = 2 // the server appends a number of 10 digits to Path
)

// A Delete deletes a node that has this version.
type Delete struct {
	Path    string
	Version int32
}

// A SetData sets the data of a node that has this version.
type SetData struct {
	Path    string
	Data    []byte
	Version int32
}

// A Check checks that a node has this version, or exists.
type Check struct {
	Path    string
	Version int32
}

// An ACL gives rights to somebody.
type ACL struct {
	Perms  int32
	Scheme string
	ID     string
}

// The rights that an ACL can give.
const (
	PermRead int32 = 1 << iota
	PermWrite
	PermCreate
	PermDelete
	PermAdmin
	PermAll int32 = 1<<iota - 1
)

// A Stat is what a server keeps of a node beside its data.
type Stat struct {
	Czxid, Mzxid, Ctime, Mtime  int64
	Version, Cversion, Aversion int32
	EphemeralOwner              int64
	DataLength, NumChildren     int32
	Pzxid                       int64
}

// A Reply is a server's answer to a Request. Only what the Request asks for is
// set.
type Reply struct {
	Data     []byte
	Stat     *Stat
	Children []string
	ACL      []ACL
	Results  []Result

	// Watch is closed when what the request watches may have changed, or the
	// connection is lost; that of AddWatch only then. It is also set if ExistsW
	// finds no node.
	Watch <-chan struct{}
}

// A Result is that of one Op.
type Result struct {
	Path string // of a Create
	Stat *Stat  // of a SetData
	Err  error
}
