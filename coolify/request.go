package coolify

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// maxBody bounds an answer, in bytes. A longer one is an error, never cut.
const maxBody = 8 << 20

// A request is one call to be made. Paths are filled with UUIDs only, and
// queries and bodies are built by the methods from named fields, so nothing that
// a caller passes can become a key.
type request struct {
	op     Operation
	ids    []UUID     // for the braces of op.Path, in their order
	query  url.Values // may be nil
	body   any        // sent as JSON; nil = none
	secret bool       // the body holds a secret, which upstream's words may repeat
	max    int64      // longest answer in bytes
}

func newRequest(method, path string, ids ...UUID) request {
	return request{op: Operation{Method: method, Path: path}, ids: ids, max: maxBody}
}

var errZeroUUID = errors.New("an id is missing")

// path returns the path below /api/v1.
func (r request) path() (string, error) {
	p := r.op.Path
	for _, id := range r.ids {
		if id.IsZero() {
			return r.op.Path, errZeroUUID
		}
		before, rest, _ := strings.Cut(p, "{")
		_, after, _ := strings.Cut(rest, "}")
		p = before + id.s + after
	}
	return p, nil
}

// A decoder reads an answer that is not plain JSON.
type decoder interface{ decode(body []byte) error }

// A checker refuses an answer that is well-formed but cannot be meant for the
// request.
type checker interface{ check(asked []UUID) error }

var (
	errOther  = errors.New("the answer is about something else than was asked for")
	errAnswer = errors.New("the answer is not what the API promises")
)

// do makes a call and reads the answer into out.
func (c *conn) do(ctx context.Context, meter Meter, r request, out any) error {
	x, err := c.send(ctx, meter, r)
	if err != nil {
		return err
	}
	if err := r.read(x.body, out); err != nil {
		return x.unusable(err)
	}
	return nil
}

func (r request) read(body []byte, out any) error {
	if d, ok := out.(decoder); ok {
		return d.decode(body)
	}
	// What encoding/json says may quote the answer.
	if err := json.Unmarshal(body, out); err != nil {
		return errAnswer
	}
	if c, ok := out.(checker); ok {
		return c.check(r.ids)
	}
	return nil
}

// acknowledged is the answer to what returns nothing: a sentence.
type acknowledged struct {
	Message text `json:"message"`
}

func (a *acknowledged) check([]UUID) error {
	if a.Message == "" {
		return errAnswer
	}
	return nil
}

// created is the answer that names a thing, new or changed.
type created struct {
	UUID uid `json:"uuid"`
}

func (c *created) check([]UUID) error {
	if c.UUID.IsZero() {
		return errAnswer
	}
	return nil
}
