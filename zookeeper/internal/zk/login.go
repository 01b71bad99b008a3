package zk

import (
	"crypto/subtle"
	"errors"
	"fmt"
)

// The schemes of an Auth.
const (
	Digest = "digest"
	SASL   = "sasl" // with the mechanism DIGEST-MD5
)

// Auth is who a session is to the servers. The zero Auth is nobody.
type Auth struct {
	Scheme   string
	User     string
	Password func() string // a function, so that no printing shows it
}

func (a Auth) String() string {
	if a.Scheme == "" {
		return "nobody"
	}
	return fmt.Sprintf("%s user %q", a.Scheme, a.User)
}

// login authenticates the session's user, if there is one, on each new
// connection, before any request of the session.
func (s *Session) login(c *conn) error {
	auth := s.config.Auth
	var err error
	switch auth.Scheme {
	case "":
		return nil
	case SASL:
		err = s.loginSASL(c)
	default:
		err = c.loginDigest(auth)
	}
	if err != nil && !isAuthError(err) {
		err = fmt.Errorf("%s, while it authenticated %v: %w", c.host, auth, err)
	}
	return err
}

func (c *conn) loginDigest(auth Auth) error {
	b := appendInt32(beginFrame(opAuth, 1), 0) // AuthPacket: type, scheme, auth
	b = appendString(b, Digest)
	b = appendString(b, auth.User+":"+auth.Password())
	_, err := c.authenticate(b, 1)
	if errors.Is(err, errRefused) {
		return c.authError("does not take digest users")
	}
	return err
}

func (s *Session) loginSASL(c *conn) error {
	auth := s.config.Auth
	exchange := newDigestMD5(auth.User, auth.Password())
	challenge, err := c.exchangeToken(1, "")
	if errors.Is(err, errRefused) || err == nil && challenge == "" {
		return c.authError("has no SASL users, or not with DIGEST-MD5")
	}
	if err != nil {
		return err
	}
	response, proof, err := exchange.respond(challenge)
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	outcome, err := c.exchangeToken(2, response)
	// "" is the answer where clients that fail are let in all the same
	// (zookeeper.allowSaslFailedClients).
	if errors.Is(err, errRefused) || err == nil && outcome == "" {
		err := c.authError(fmt.Sprintf("does not accept the password of %v, or does not know the user", auth))
		s.setFatal(err) // another server of the ensemble has the same users
		return err
	}
	if err != nil {
		return err
	}
	d, err := parseDirectives(outcome)
	if err != nil || subtle.ConstantTimeCompare([]byte(d.first("rspauth")), []byte(proof)) == 0 {
		return c.authError(fmt.Sprintf("does not prove that it knows the password of %v, so it may be an impostor", auth))
	}
	return nil
}

// exchangeToken sends a SASL token and returns the server's, "" for none.
func (c *conn) exchangeToken(xid int32, token string) (string, error) {
	d, err := c.authenticate(appendString(beginFrame(opSASL, xid), token), xid)
	if err != nil {
		return "", err
	}
	answer, _ := d.nullable()
	return string(answer), nil
}

// errRefused means that a server answered an authentication with an error code.
var errRefused = errors.New("refused")

// authenticate sends a frame and returns what comes after the header of the
// answer.
func (c *conn) authenticate(frame []byte, xid int32) (decoder, error) {
	answer, err := c.roundTrip(endFrame(frame), maxToken)
	if err != nil {
		return decoder{}, err
	}
	d := decoder{rest: answer}
	gotXid := d.int32()
	d.int64() // zxid
	switch code := d.int32(); {
	case d.failed || gotXid != xid:
		return decoder{}, errors.New("this is not an answer to the authentication")
	case code != 0:
		return decoder{}, errRefused
	}
	return d, nil
}

func (c *conn) authError(what string) error {
	return &AuthError{text: fmt.Sprintf("ZooKeeper at %s %s", c.host, what)}
}

func isAuthError(err error) bool {
	var e *AuthError
	return errors.As(err, &e)
}
