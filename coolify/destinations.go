package coolify

import (
	"context"
	"errors"
)

// A Destination is a row of Coolify's that names a Docker network of a server, in which
// containers are started. Whether Docker has the network, Coolify does not tell.
type Destination struct {
	UUID    UUID
	Name    string
	Network string // the network's name in Docker; unique on its server
	Server  UUID
}

type wireDestination struct {
	UUID    uid  `json:"uuid"`
	Name    text `json:"name"`
	Network text `json:"network"`
	Server  uid  `json:"server_uuid"`
}

func destinations(w list[wireDestination]) []Destination {
	all := make([]Destination, 0, len(w))
	for _, d := range w {
		all = append(all, Destination{d.UUID.UUID, string(d.Name), string(d.Network), d.Server.UUID})
	}
	return all
}

// Destinations lists the destinations of the team's servers. [ErrRouteMissing]
// before 4.2.
//
//api:op GET /destinations
func (c *Client) Destinations(ctx context.Context) ([]Destination, error) {
	var w list[wireDestination]
	if err := c.do(ctx, newRequest("GET", "/destinations"), &w); err != nil {
		return nil, err
	}
	return destinations(w), nil
}

// Destinations lists the destinations of one server. [ErrRouteMissing]
// before 4.2.
//
//api:op GET /servers/{server_uuid}/destinations
func (s ServerClient) Destinations(ctx context.Context) ([]Destination, error) {
	var w wireDestinations
	if err := s.c.do(ctx, newRequest("GET", "/servers/{server_uuid}/destinations", s.id), &w); err != nil {
		return nil, err
	}
	return destinations(w.list), nil
}

type wireDestinations struct{ list[wireDestination] }

func (w *wireDestinations) check(asked []UUID) error {
	for _, d := range w.list {
		if err := same(d.Server, asked[0]); err != nil {
			return err
		}
	}
	return nil
}

// NewDestination describes a destination to be created.
type NewDestination struct {
	Name    string `json:"name,omitempty"` // not unique; empty = made from the names of the server and the network
	Network string `json:"network"`        // letters, digits, dots, dashes, underscores; 1 to 255
}

// CreateDestination creates a destination; [ErrConflict] if the server has one of that
// network. Until 4.3.7 it creates the Docker network too; from 4.3.8 on the network must
// be there already, or every deployment into it fails. From then on, a caller that
// creates an application on the server has to name a destination. [ErrRouteMissing]
// before 4.2. Slow.
//
//api:op POST /servers/{server_uuid}/destinations
func (s ServerClient) CreateDestination(ctx context.Context, d NewDestination) (UUID, error) {
	r := newRequest("POST", "/servers/{server_uuid}/destinations", s.id)
	r.op.Slow = true
	r.body = d
	var w created
	err := s.c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// Delete deletes a destination and its Docker network, if that is there; [ErrInUse] while
// anything belongs to it, including what is being deleted. While a container of something
// else is in the network, Coolify answers 500, which is [ErrUnavailable].
// [ErrRouteMissing] before 4.2. Slow.
//
//api:op DELETE /destinations/{uuid}
func (d DestinationClient) Delete(ctx context.Context) error {
	r := newRequest("DELETE", "/destinations/{uuid}", d.id)
	r.op.Slow = true
	err := d.c.do(ctx, r, &acknowledged{})
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrConflict) {
		e.Kind = ErrInUse
	}
	return err
}
