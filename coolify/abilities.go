package coolify

import (
	"context"
	"errors"
	"net/http"
)

// A token's abilities show themselves without a change: Coolify looks at them
// before it looks for the thing that is to be changed, so a request to change a
// thing that does not exist is refused in one way without the ability and in
// another with it.

// nothing is the id of no thing: Coolify makes ids of 24 letters and digits, and
// nobody can choose one.
var nothing = UUID{"vibn-mcp-asks-what-it-may"}

// MayWrite reports whether the token has the ability write: nil if it has,
// [ErrAbility] if not. It asks to change no field of no project, so it changes
// nothing.
//
//api:op PATCH /projects/{uuid}
func (c *Client) MayWrite(ctx context.Context) error { return c.conn.mayWrite(ctx, c.meter) }

// MayDeploy reports whether the token has the ability deploy: nil if it has,
// [ErrAbility] if not. It asks to start no application, so it changes nothing.
//
//api:op POST /applications/{uuid}/start
func (c *Client) MayDeploy(ctx context.Context) error { return c.conn.mayDeploy(ctx, c.meter) }

// MayWrite is [Client.MayWrite] of the sensitive token, which should not have the
// ability.
//
//api:op PATCH /projects/{uuid}
func (s *Sensitive) MayWrite(ctx context.Context) error { return s.conn.mayWrite(ctx, s.meter) }

// MayDeploy is [Client.MayDeploy] of the sensitive token, which should not have
// the ability.
//
//api:op POST /applications/{uuid}/start
func (s *Sensitive) MayDeploy(ctx context.Context) error { return s.conn.mayDeploy(ctx, s.meter) }

func (c *conn) mayWrite(ctx context.Context, m Meter) error {
	r := newRequest("PATCH", "/projects/{uuid}", nothing)
	r.body = struct{}{}
	return admitted(c.do(ctx, m, r, &impossible{}))
}

func (c *conn) mayDeploy(ctx context.Context, m Meter) error {
	return admitted(c.do(ctx, m, newRequest("POST", "/applications/{uuid}/start", nothing), &impossible{}))
}

// impossible is a success: there was nothing to be changed.
type impossible struct{}

func (*impossible) check([]UUID) error { return errAnswer }

// admitted returns nil for what Coolify only says of a request that it has let in.
func admitted(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotFound:
		if errors.Is(err, ErrInvalid) || errors.Is(err, ErrNotFound) {
			return nil
		}
	}
	return err
}
