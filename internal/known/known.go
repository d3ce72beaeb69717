// Package known keeps for some seconds what was read from elsewhere, so that callers who
// want the same thing share one read. It knows nothing of what it keeps: who puts a value
// under a key has proved that whoever asks with that key may see it.
package known

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Rules are the limits of a [Shelf].
type Rules struct {
	Age  time.Duration    // how old a value may be when it is returned
	Most int              // size of all values together
	Now  func() time.Time // required
}

// A Shelf keeps values by key. It is safe for concurrent use.
type Shelf[V any] struct {
	rules   Rules
	size    func(V) int // of one value, in the unit of Rules.Most
	reading singleflight.Group

	mu    sync.Mutex
	kept  map[string]kept[V]
	total int
	drops uint64 // counts what was dropped, so that a read that began before is not kept
}

type kept[V any] struct {
	value   V
	at      time.Time // when the read began, or the key was dropped
	dropped uint64    // the count of the last drop of this key; 0 = none
	held    bool      // value is one; false = the key was dropped
	size    int
}

// New returns an empty Shelf.
func New[V any](rules Rules, size func(V) int) *Shelf[V] {
	return &Shelf[V]{rules: rules, size: size, kept: map[string]kept[V]{}}
}

// An Answer is a value and where it is from.
type Answer[V any] struct {
	Value V
	At    time.Time // when it was begun to be read
	Own   bool      // this caller has read it, just now
}

// A read is what callers share of one read.
type read[V any] struct {
	value  V
	at     time.Time
	err    error
	shared bool // whether the error concerns others as well
}

// Get returns the value at a key: the kept one if it is young enough, else one that is
// read. Concurrent callers share a read, and its error too unless private says that the
// error concerns the reader alone, or the reader's context has ended. Then each of the
// others reads for itself.
func (s *Shelf[V]) Get(
	ctx context.Context, key string, read func(context.Context) (V, error), private func(error) bool,
) (Answer[V], error) {
	for {
		if a, ok := s.look(key); ok {
			return a, nil
		}
		own := false
		ended := s.reading.DoChan(key, func() (any, error) {
			own = true
			return s.read(ctx, key, read, private), nil
		})
		select {
		case r := <-ended:
			got, err := result[V](r)
			if err != nil {
				return Answer[V]{}, err
			}
			if got.err == nil || own || got.shared {
				return Answer[V]{got.value, got.at, own}, got.err
			}
		case <-ctx.Done():
			return Answer[V]{}, ctx.Err()
		}
	}
}

var errNoRead = errors.New("known: the read ended without a result")

func result[V any](r singleflight.Result) (read[V], error) {
	got, ok := r.Val.(read[V])
	if !ok {
		return got, errors.Join(errNoRead, r.Err)
	}
	return got, nil
}

func (s *Shelf[V]) read(
	ctx context.Context, key string, do func(context.Context) (V, error), private func(error) bool,
) (r read[V]) {
	defer func() { // it is not on the caller's goroutine, so a panic would end the process
		if p := recover(); p != nil {
			r = read[V]{err: fmt.Errorf("known: the read panicked with a %T", p)}
		}
	}()
	if a, ok := s.look(key); ok {
		return read[V]{value: a.Value, at: a.At} // another read ended just before this one began
	}
	began, token := s.rules.Now(), s.token(key)
	value, err := do(ctx)
	if err != nil {
		return read[V]{err: err, at: began, shared: ctx.Err() == nil && !private(err)}
	}
	s.put(key, token, value, began)
	return read[V]{value: value, at: began}
}

// Take returns the value at a key and drops it; false if there is none that is young
// enough.
func (s *Shelf[V]) Take(key string) (V, bool) {
	a, ok := s.look(key)
	s.Drop(key)
	return a.Value, ok
}

// Drop forgets the value at a key. A read of it that has begun is not kept. The token is
// for [Shelf.Put].
func (s *Shelf[V]) Drop(key string) (token uint64) {
	s.reading.Forget(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	s.store(key, kept[V]{at: s.rules.Now(), dropped: s.drops})
	return s.drops
}

// Put keeps a value, unless the key was dropped after the Drop that returned token.
func (s *Shelf[V]) Put(key string, token uint64, v V) { s.put(key, token, v, s.rules.Now()) }

func (s *Shelf[V]) look(key string) (Answer[V], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[key]
	if !k.held || s.rules.Now().Sub(k.at) >= s.rules.Age {
		return Answer[V]{}, false
	}
	return Answer[V]{Value: k.value, At: k.at}, true
}

func (s *Shelf[V]) token(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[key].dropped
}

func (s *Shelf[V]) put(key string, token uint64, v V, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[key].dropped == token {
		s.store(key, kept[V]{value: v, at: at, dropped: token, held: true, size: 1 + s.size(v)})
	}
}

// store keeps an entry, and forgets those that are too old to be returned. If the rest are
// still too many, it forgets all others: they are read again.
func (s *Shelf[V]) store(key string, e kept[V]) {
	now := s.rules.Now()
	s.remove(key)
	for k, old := range s.kept {
		if now.Sub(old.at) >= s.rules.Age {
			s.remove(k)
		}
	}
	if s.total+e.size > s.rules.Most {
		for k, old := range s.kept { // that they were dropped is still to be known
			s.kept[k] = kept[V]{at: old.at, dropped: old.dropped}
		}
		s.total = 0
	}
	if e.size <= s.rules.Most {
		s.kept[key] = e
		s.total += e.size
	}
}

func (s *Shelf[V]) remove(key string) {
	s.total -= s.kept[key].size
	delete(s.kept, key)
}
