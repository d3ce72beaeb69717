package coolify

import (
	"context"
	"errors"
	"net/http"
)

// A token's abilities can be checked without a change. Coolify checks them before it
// looks up the object to change. So for an object that does not exist, it gives one error
// if the token lacks the ability and another if it has it.

// nothing is the id of no object: Coolify generates ids of 24 letters and digits, and a
// user cannot choose one.
var nothing = UUID{"vibn-mcp-asks-what-it-may"}

// MayWrite reports whether the token has the ability write: nil if it has, [ErrAbility]
// if not. It requests a change without fields on a project that does not exist, so it
// changes nothing.
//
//api:op PATCH /projects/{uuid}
func (c *Client) MayWrite(ctx context.Context) error { return c.conn.mayWrite(ctx, c.meter) }

// MayDeploy reports whether the token has the ability deploy: nil if it has, [ErrAbility]
// if not. It requests a start of an application that does not exist, so it changes
// nothing.
//
//api:op POST /applications/{uuid}/start
func (c *Client) MayDeploy(ctx context.Context) error { return c.conn.mayDeploy(ctx, c.meter) }

// MayWrite is [Client.MayWrite] for the sensitive token, which should not have the
// ability.
//
//api:op PATCH /projects/{uuid}
func (s *Sensitive) MayWrite(ctx context.Context) error { return s.conn.mayWrite(ctx, s.meter) }

// MayDeploy is [Client.MayDeploy] for the sensitive token, which should not have the
// ability.
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

// impossible rejects a success: the object does not exist.
type impossible struct{}

func (*impossible) check([]UUID) error { return errAnswer }

// admitted returns nil for an error that Coolify gives only to a request that it has
// admitted.
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
