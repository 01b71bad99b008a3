package zookeeper

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"leasehold.example/leasehold"
)

// login authenticates the session's user, if there is one, before there is any
// request of the session: at every connection.
func (s *session) login(l *link) error {
	auth := s.credentials.auth
	var err error
	switch auth.Scheme {
	case "":
		return nil
	case SASL:
		err = s.saslDigest(l)
	default:
		err = s.digest(l)
	}
	if err != nil && !errors.Is(err, leasehold.ErrPermission) {
		err = fmt.Errorf("%s, while it authenticated %v: %w", l.host, auth, err)
	}
	return err
}

func (s *session) digest(l *link) error {
	b := appendInt32(beginFrame(opAuth, 1), 0) // AuthPacket: type, scheme, auth
	b = appendString(b, string(Digest))
	b = appendString(b, s.credentials.auth.User+":"+s.credentials.password())
	_, err := l.authenticate(b, 1)
	if errors.Is(err, errRefused) {
		return l.refusal("does not take digest users")
	}
	return err
}

func (s *session) saslDigest(l *link) error {
	auth := s.credentials.auth
	exchange := newDigestMD5(auth.User, s.credentials.password())
	challenge, err := l.token(1, "")
	if errors.Is(err, errRefused) || err == nil && challenge == "" {
		return l.refusal("has no SASL users, or not with DIGEST-MD5")
	}
	if err != nil {
		return err
	}
	response, proof, err := exchange.respond(challenge)
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	verdict, err := l.token(2, response)
	// "" is the answer where such clients are let in all the same
	// (zookeeper.allowSaslFailedClients).
	if errors.Is(err, errRefused) || err == nil && verdict == "" {
		return s.fails(l.refusal(fmt.Sprintf("does not accept the password of %v, or does not know the user", auth)))
	}
	if err != nil {
		return err
	}
	said, err := parseDirectives(verdict)
	if err != nil || subtle.ConstantTimeCompare([]byte(said.first("rspauth")), []byte(proof)) == 0 {
		return l.refusal(fmt.Sprintf("does not prove that it knows the password of %v, so it may be an impostor", auth))
	}
	return nil
}

// token sends a SASL token and returns the server's, "" for none.
func (l *link) token(xid int32, token string) (string, error) {
	result, err := l.authenticate(appendString(beginFrame(opSASL, xid), token), xid)
	if err != nil {
		return "", err
	}
	reply, _ := result.nullable()
	return string(reply), nil
}

// errRefused means that a server answered with an error code.
var errRefused = errors.New("refused")

// authenticate sends a frame and returns what comes after the header of the
// reply.
func (l *link) authenticate(frame []byte, xid int32) (cursor, error) {
	answer, err := l.exchange(endFrame(frame), maxToken)
	if err != nil {
		return cursor{}, err
	}
	reply := cursor{rest: answer}
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

// maxToken bounds what a server answers to an authentication, in bytes.
const maxToken = 64 << 10

// refusal is one that another attempt does not change.
func (l *link) refusal(what string) error {
	return fmt.Errorf("%w: ZooKeeper at %s %s", leasehold.ErrPermission, l.host, what)
}
