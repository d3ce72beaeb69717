package gitea

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// A request is one call. The methods build queries and bodies from named fields.
type request struct {
	op         Operation
	segments   []segment // for the braces of op.Path, in their order
	query      url.Values
	header     http.Header
	body       any                  // sent as JSON; nil = none
	secret     bool                 // the body holds a secret, which Gitea's answer may repeat
	credential *upstream.Credential // nil = that of the client
	root       bool                 // the path is relative to the root, not to /api/v1
}

func newRequest(method, path string, segments ...segment) request {
	return request{op: Operation{Method: method, Path: path}, segments: segments}
}

// with returns the request with a body.
func (r request) with(body any) request {
	r.body = body
	return r
}

// anonymously returns the request without the client's token.
func (r request) anonymously() request {
	r.credential = &upstream.Credential{}
	return r
}

// path returns the path with its braces filled.
func (r request) path() (string, error) {
	p := r.op.Path
	for _, s := range r.segments {
		if s.err != nil {
			return r.op.Path, s.err
		}
		before, rest, _ := strings.Cut(p, "{")
		_, after, _ := strings.Cut(rest, "}")
		p = before + s.text + after
	}
	return p, nil
}

var (
	errOther   = upstream.ErrOther
	errAnswer  = upstream.ErrAnswer
	errShort   = errors.New("the list ends before its count")
	errTooMany = errors.New("the list is too long")
)

func (c client) send(ctx context.Context, r request) (*upstream.Answer, error) {
	server, credential := c.conn.api, c.conn.credential()
	if r.root {
		server = c.conn.root
	}
	if r.credential != nil {
		credential = *r.credential
	}
	path, err := r.path()
	for _, err := range []error{err, c.conn.bad} {
		if err != nil {
			return nil, server.Refuse(r.op, path, ErrInvalid, err)
		}
	}
	answer, err := server.Send(ctx, c.meter, upstream.Request{
		Op: r.op, Path: path, Query: r.query, Header: r.header, Body: r.body, Credential: credential, Secret: r.secret,
		Max: upstream.MaxBody,
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status/100 == 3 {
		e.Kind = ErrRenamed
	}
	return answer, err
}

// do makes a call that has an empty answer. It refuses any other answer, such as a
// proxy's page.
func (c client) do(ctx context.Context, r request) error {
	answer, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	if len(answer.Body) > 0 {
		return answer.Unusable(errAnswer)
	}
	return nil
}

// A wire is an object in the form in which Gitea sends it.
type wire[T any] interface {
	whole() bool // reports whether the required fields are present
	plain() T
}

// one makes a call whose answer is one object. about reports whether the answer is about
// the requested object; nil = this cannot be determined.
func one[W wire[T], T any](ctx context.Context, c client, r request, about func(W) bool) (T, error) {
	var none T
	answer, err := c.send(ctx, r)
	if err != nil {
		return none, err
	}
	var w W
	if err := answer.Decode(&w); err != nil {
		return none, answer.Unusable(err)
	}
	if err := judge(w, about); err != nil {
		return none, answer.Unusable(err)
	}
	return w.plain(), nil
}

func judge[W wire[T], T any](w W, about func(W) bool) error {
	if !w.whole() {
		return errAnswer
	}
	if about != nil && !about(w) {
		return errOther
	}
	return nil
}

const (
	pageSize = 50  // Gitea returns no more
	maxPages = 200 // per list
)

// A page is a part of a list.
type page[W any] struct {
	items []W
	total int64 // of the whole list; -1 = not reported
}

// readPage reads an array with the header X-Total-Count.
func readPage[W any](a *upstream.Answer) (page[W], error) {
	p := page[W]{total: -1}
	if n, err := strconv.ParseInt(a.Header.Get("X-Total-Count"), 10, 64); err == nil && n >= 0 {
		p.total = n
	}
	if err := a.Decode(&p.items); err != nil {
		return p, err
	}
	if p.items == nil && p.total != 0 {
		return p, errAnswer // null is not documented to mean an empty list
	}
	return p, nil
}

// readUncounted reads an array whose count is inexact in some versions. An empty page
// ends such a list.
func readUncounted[W any](a *upstream.Answer) (page[W], error) {
	p, err := readPage[W](a)
	p.total = -1
	return p, err
}

// all reads all pages of a list. A list that is longer than 10,000, or ends early, is an
// error: a partial list is never returned as complete.
func all[W wire[T], T any](ctx context.Context, c client, r request, about func(W) bool) ([]T, error) {
	return collect(ctx, c, r, about, readPage[W])
}

func collect[W wire[T], T any](
	ctx context.Context, c client, r request, about func(W) bool, read func(*upstream.Answer) (page[W], error),
) ([]T, error) {
	things := []T{}
	var answer *upstream.Answer
	for n := 1; n <= maxPages; n++ {
		var err error
		if answer, err = c.send(ctx, r.page(n)); err != nil {
			return nil, err
		}
		p, err := read(answer)
		if err != nil {
			return nil, answer.Unusable(err)
		}
		for _, w := range p.items {
			if err := judge(w, about); err != nil {
				return nil, answer.Unusable(err)
			}
			things = append(things, w.plain())
		}
		if p.total >= 0 && int64(len(things)) >= p.total {
			return things, nil
		}
		if len(p.items) == 0 && p.total < 0 {
			return things, nil
		}
		if len(p.items) == 0 {
			return nil, answer.Unusable(errShort)
		}
	}
	return nil, answer.Unusable(errTooMany)
}

// page returns the request for one page. Without page, some versions ignore limit and
// return the whole list.
func (r request) page(n int) request {
	query := url.Values{"page": {strconv.Itoa(n)}, "limit": {strconv.Itoa(pageSize)}}
	maps.Copy(query, r.query)
	r.query = query
	return r
}
