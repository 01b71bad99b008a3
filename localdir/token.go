package localdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A tokenFile is what stands beside a record.
type tokenFile struct {
	Token    int64     `json:"token"`              // of the newest grant
	Since    time.Time `json:"since"`              // when that was made, UTC
	Released bool      `json:"released,omitempty"` // whether it was given up
}

func (t tokenFile) marshal() ([]byte, error) {
	b, err := json.Marshal(t)
	return append(b, '\n'), err
}

// parseTokenFile is strict, since nothing is worse than a token that was given
// out before.
func parseTokenFile(data []byte) (tokenFile, error) {
	var t tokenFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		if errors.Is(err, io.EOF) {
			return tokenFile{}, errors.New("it is empty")
		}
		return tokenFile{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return tokenFile{}, errors.New("something follows the JSON object")
	}
	if t.Token < 1 {
		return tokenFile{}, fmt.Errorf("the token is %d, want a positive number", t.Token)
	}
	if t.Since.IsZero() {
		return tokenFile{}, errors.New(`no "since"`)
	}
	return t, nil
}
