package zookeeper

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"leasehold.example/leasehold"
)

// A login is a connection on which the user is authenticated before the client
// library sees that it has a session, and so before any request of that
// session: at every connection, and without the library, which would take a
// refusal for the loss of the connection, and has no SASL.
type login struct {
	net.Conn // on which whole frames arrive, of a bounded length
	session  *session
	host     string
	done     bool
	greeting []byte // the server's, as far as the library has not read it
}

// login returns conn with the session's user, if there is one.
func (s *session) login(conn net.Conn, host string) net.Conn {
	if s.credentials.auth == (Auth{}) {
		return conn
	}
	return &login{Conn: conn, session: s, host: host}
}

func (c *login) Read(p []byte) (int, error) {
	if !c.done {
		if err := c.authenticate(); err != nil {
			switch {
			case c.greeting == nil: // it is no matter of the user
			case errors.Is(err, leasehold.ErrPermission):
				c.session.fail(err)
			default:
				c.session.note(fmt.Errorf("%s, while it authenticated %v: %w", c.host, c.session.credentials.auth, err))
			}
			return 0, err
		}
		c.done = true
	}
	if len(c.greeting) > 0 {
		n := copy(p, c.greeting)
		c.greeting = c.greeting[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *login) authenticate() error {
	frame, err := c.receive()
	if err != nil {
		return err
	}
	c.greeting = frame
	greeting := cursor{rest: frame}
	greeting.take(4 + 4 + 4) // length, protocol version, timeout
	if greeting.int64() == 0 {
		return nil // the session has expired, and the server answers nothing more
	}
	if c.session.credentials.auth.Scheme == SASL {
		return c.saslDigest()
	}
	return c.digest()
}

func (c *login) digest() error {
	auth := c.session.credentials.auth
	request := binary.BigEndian.AppendUint32(nil, 0) // AuthPacket: type, scheme, auth
	request = appendBuffer(request, string(Digest))
	request = appendBuffer(request, auth.User+":"+c.session.credentials.password())
	_, err := c.ask(1, opAuth, request)
	if errors.Is(err, errRefused) {
		return c.refusal("does not take digest users")
	}
	return err
}

func (c *login) saslDigest() error {
	auth := c.session.credentials.auth
	exchange := newDigestMD5(auth.User, c.session.credentials.password())
	challenge, err := c.token(1, "")
	if errors.Is(err, errRefused) || err == nil && challenge == "" {
		return c.refusal("has no SASL users, or not with DIGEST-MD5")
	}
	if err != nil {
		return err
	}
	response, proof, err := exchange.respond(challenge)
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	verdict, err := c.token(2, response)
	// "" is the answer where such clients are let in all the same
	// (zookeeper.allowSaslFailedClients).
	if errors.Is(err, errRefused) || err == nil && verdict == "" {
		return c.refusal(fmt.Sprintf("does not accept the password of %v, or does not know the user", auth))
	}
	if err != nil {
		return err
	}
	said, err := parseDirectives(verdict)
	if err != nil || subtle.ConstantTimeCompare([]byte(said.first("rspauth")), []byte(proof)) == 0 {
		return c.refusal(fmt.Sprintf("does not prove that it knows the password of %v, so it may be an impostor", auth))
	}
	return nil
}

// token sends a SASL token and returns the server's, "" for none.
func (c *login) token(xid int32, token string) (string, error) {
	reply, err := c.ask(xid, opSASL, appendBuffer(nil, token))
	if n := reply.int32(); err != nil || n == -1 {
		return "", err
	} else {
		return string(reply.take(int(n))), nil
	}
}

// errRefused means that a server answered with an error code.
var errRefused = errors.New("refused")

// ask sends a request and returns what comes after the header of the reply.
func (c *login) ask(xid, operation int32, request []byte) (cursor, error) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+4+len(request)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(xid))
	frame = binary.BigEndian.AppendUint32(frame, uint32(operation))
	if _, err := c.Write(append(frame, request...)); err != nil {
		return cursor{}, err
	}
	answer, err := c.receive()
	if err != nil {
		return cursor{}, err
	}
	reply := cursor{rest: answer}
	reply.take(4) // length
	answered := reply.int32()
	reply.take(8) // zxid
	switch failed := reply.int32() != 0; {
	case reply.broken || answered != xid:
		return cursor{}, errors.New("it answers something else than the authentication")
	case failed:
		return cursor{}, errRefused
	}
	return reply, nil
}

// receive reads a frame with its length.
func (c *login) receive() ([]byte, error) {
	frame := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(c.Conn, frame[4:])
	return frame, err
}

// appendBuffer appends s as ZooKeeper writes strings and buffers.
func appendBuffer(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// refusal is one that another attempt, or another server, does not change.
func (c *login) refusal(what string) error {
	return fmt.Errorf("%w: ZooKeeper at %s %s", leasehold.ErrPermission, c.host, what)
}
