package coolify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// A request is one call. Only UUIDs fill its path, and the methods build queries and
// bodies from named fields, so a caller's value can never become a key.
type request struct {
	op     Operation
	ids    []UUID     // for the braces of op.Path, in their order
	needs  []UUID     // ids in the body that must not be zero
	query  url.Values // may be nil
	body   any        // sent as JSON; nil = none
	secret bool       // the body holds a secret, which Coolify's answer may repeat
	max    int64      // limit of the answer, in bytes

	anonymous bool // sent without the token
}

func newRequest(method, path string, ids ...UUID) request {
	return request{op: Operation{Method: method, Path: path}, ids: ids, max: upstream.MaxBody}
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
	if slices.ContainsFunc(r.needs, UUID.IsZero) {
		return p, errZeroUUID
	}
	return p, nil
}

// A decoder reads an answer that is not plain JSON.
type decoder interface{ decode(body []byte) error }

// A checker refuses an answer that is well-formed but does not fit the request.
type checker interface{ check(asked []UUID) error }

var (
	errOther  = upstream.ErrOther
	errAnswer = upstream.ErrAnswer
)

// do makes a call and reads the answer into out.
func (c *conn) do(ctx context.Context, meter Meter, r request, out any) error {
	_, err := c.doHeader(ctx, meter, r, out)
	return err
}

// doHeader is do, but also returns the header of the answer.
func (c *conn) doHeader(ctx context.Context, meter Meter, r request, out any) (http.Header, error) {
	path, err := r.path()
	if err != nil {
		return nil, c.server.Refuse(r.op, path, ErrInvalid, err)
	}
	credential := c.token
	if r.anonymous {
		credential = c.token.Withheld()
	}
	answer, err := c.server.Send(ctx, meter, upstream.Request{
		Op: r.op, Path: path, Query: r.query, Body: r.body, Credential: credential, Secret: r.secret, Max: r.max,
	})
	if err != nil {
		return nil, err
	}
	err = r.read(answer, out)
	switch {
	case errors.Is(err, errNotSensitive):
		e := answer.Unusable(err)
		e.Kind = ErrForbidden
		return nil, e
	case err != nil:
		return nil, answer.Unusable(err)
	}
	return answer.Header, nil
}

func (r request) read(answer *upstream.Answer, out any) error {
	if d, ok := out.(decoder); ok {
		return d.decode(answer.Body)
	}
	if err := answer.Decode(out); err != nil {
		return err
	}
	if c, ok := out.(checker); ok {
		return c.check(r.ids)
	}
	return nil
}

// acknowledged is the answer to an operation that returns nothing: a message.
type acknowledged struct {
	Message text `json:"message"`
}

func (a *acknowledged) check([]UUID) error {
	if a.Message == "" {
		return errAnswer
	}
	return nil
}

// created is the answer with the id of a created or changed object.
type created struct {
	UUID uid `json:"uuid"`
}

func (c *created) check([]UUID) error {
	if c.UUID.IsZero() {
		return errAnswer
	}
	return nil
}
