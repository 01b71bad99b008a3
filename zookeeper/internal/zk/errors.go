package zk

import (
	"errors"
	"fmt"
)

var (
	// ErrConnectionLost means that the connection was lost before the answer.
	// The server may have done what it was asked, or do it yet.
	ErrConnectionLost = errors.New("connection lost")

	// ErrNotConnected means that there was no connection, so nothing was sent.
	ErrNotConnected = errors.New("no connection")

	// ErrSessionOver means that the session has ended. What was sent in it and
	// not answered may have been done.
	ErrSessionOver = errors.New("session is over")
)

// A Code is an error that a server reports (KeeperException.Code).
type Code int32

// The codes that callers tell apart.
const (
	ErrUnimplemented   Code = -6
	ErrNoNode          Code = -101
	ErrNoAuth          Code = -102
	ErrBadVersion      Code = -103
	ErrEphemeralParent Code = -108 // NOCHILDRENFOREPHEMERALS
	ErrNodeExists      Code = -110
	ErrInvalidACL      Code = -114
	ErrAuthRequired    Code = -124 // SESSIONCLOSEDREQUIRESASLAUTH, whatever the scheme
	ErrQuotaExceeded   Code = -125
)

type codeInfo struct {
	text     string
	rejected bool // the server has changed nothing
}

var codes = map[Code]codeInfo{
	ErrUnimplemented:   {"the server does not know this request", true},
	-8:                 {"invalid arguments", true},
	-100:               {"API error", true},
	ErrNoNode:          {"node does not exist", true},
	ErrNoAuth:          {"no permission", true},
	ErrBadVersion:      {"another version", true},
	ErrEphemeralParent: {"ephemeral nodes can't have children", true},
	ErrNodeExists:      {"node exists", true},
	-111:               {"node has children", true},
	-112:               {"the server says that the session has expired", false},
	ErrInvalidACL:      {"invalid ACL", true},
	-115:               {"authentication failed", false},
	-116:               {"the server is closing", false},
	-117:               {"nothing", false},
	-118:               {"the session has moved to another server", false},
	-120:               {"the server has local sessions, which can't have kazoo's lock (localSessionsUpgradingEnabled)", true},
	-123:               {"reconfiguration is disabled", false},
	ErrAuthRequired:    {"the server requires authentication", true},
	ErrQuotaExceeded:   {"the quota is exceeded", true},
}

func (c Code) Error() string {
	if info, ok := codes[c]; ok {
		return info.text
	}
	return fmt.Sprintf("unknown error: %d", int32(c))
}

// codeError returns the error for a code, nil for 0.
func codeError(code int32) error {
	if code == 0 {
		return nil
	}
	return Code(code)
}

// IsRejected reports whether err says that the server did not do what it was
// asked. After any other error it may have done it.
func IsRejected(err error) bool {
	var code Code
	return errors.As(err, &code) && codes[code].rejected
}

// An AuthError means that one side does not accept the other: the user, the
// password or a certificate. Another attempt does not change that.
type AuthError struct {
	text  string
	cause error // may be nil
}

func (e *AuthError) Error() string { return e.text }
func (e *AuthError) Unwrap() error { return e.cause }

// An UnreachableError means that a deadline passed before a server answered.
type UnreachableError struct {
	text  string
	cause error // the context's
}

func (e *UnreachableError) Error() string { return e.text }
func (e *UnreachableError) Unwrap() error { return e.cause }

// A ResponseError means that a server sent something that ZooKeeper does not
// send.
type ResponseError struct{ host, what string }

func (e *ResponseError) Error() string {
	return fmt.Sprintf("%s: unexpected response: %s", e.host, e.what)
}

func unexpected(format string, args ...any) error {
	return &ResponseError{what: fmt.Sprintf(format, args...)}
}

func isUnexpected(err error) bool {
	var e *ResponseError
	return errors.As(err, &e)
}
