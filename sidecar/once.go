package sidecar

import (
	"context"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A once returns a form's first answer again if the same form is sent twice at once, as
// by a double click. The browser shows the last answer, and only the first would hold the
// key. It forgets answers after onceKept. It does not reach other processes; there the
// form's number still prevents a second key.
type once struct {
	mu      sync.Mutex
	answers map[string]*onceAnswer
}

type onceAnswer struct {
	done chan struct{} // closed when the fields below are set
	key  tenancy.Key
	text secret.Text
	err  error
}

const (
	onceKept = 30 * time.Second
	onceMost = 1_000
	onceTime = 15 * time.Second
)

func newOnce() *once { return &once{answers: map[string]*onceAnswer{}} }

// do runs mint once per form. It runs mint to its end even if the browser closes the
// connection, as it does when it sends the form again.
func (o *once) do(
	ctx context.Context, form string, mint func(context.Context) (tenancy.Key, secret.Text, error),
) (tenancy.Key, secret.Text, error) {
	a, first := o.answer(form)
	if !first {
		select {
		case <-a.done:
			return a.key, a.text, a.err
		case <-ctx.Done():
			return tenancy.Key{}, secret.Text{}, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), onceTime)
	defer cancel()
	defer close(a.done)
	a.key, a.text, a.err = mint(ctx)
	return a.key, a.text, a.err
}

func (o *once) answer(form string) (a *onceAnswer, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, ok := o.answers[form]; ok {
		return a, false
	}
	a = &onceAnswer{done: make(chan struct{})}
	if len(o.answers) < onceMost {
		o.answers[form] = a
		time.AfterFunc(onceKept, func() { o.forget(form) })
	}
	return a, true
}

func (o *once) forget(form string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.answers, form)
}
