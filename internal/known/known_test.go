package known_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vibnai/vibn-mcp/internal/known"
)

const age = 5 * time.Second

func newShelf(most int) *known.Shelf[string] {
	return known.New(known.Rules{Age: age, Most: most, Now: time.Now}, func(v string) int { return len(v) })
}

// A source is what values are read from.
type source struct {
	value string
	err   error
	takes time.Duration
	reads int
}

func (s *source) read(ctx context.Context) (string, error) {
	s.reads++
	value, err := s.value, s.err // as it is when the read begins
	select {
	case <-time.After(s.takes):
		return value, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

var errLost = errors.New("the right was lost")

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

func isLost(err error) bool { return errors.Is(err, errLost) }

func want(t *testing.T, s *known.Shelf[string], from *source, value string, reads int) {
	t.Helper()
	got, err := s.Get(t.Context(), "key", from.read, isLost)
	if err != nil || got.Value != value || from.reads != reads {
		t.Errorf("Get = %q, %v after %d reads; want %q after %d", got.Value, err, from.reads, value, reads)
	}
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from := newShelf(100), &source{value: "one"}
		want(t, s, from, "one", 1)
		from.value = "two"
		pass(age - time.Nanosecond)
		want(t, s, from, "one", 1)
		pass(time.Nanosecond)
		want(t, s, from, "two", 2)
		if _, ok := s.Take("key"); !ok {
			t.Error("Take found nothing")
		}
		want(t, s, from, "two", 3)
	})
}

// TestSharedRead: ten callers at once cost one read, and only one of them has made it.
func TestSharedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from := newShelf(100), &source{value: "one", takes: time.Second}
		own := make(chan bool, 10)
		for range 10 {
			go func() {
				got, err := s.Get(t.Context(), "key", from.read, isLost)
				if err != nil || got.Value != "one" {
					t.Errorf("Get = %+v, %v", got, err)
				}
				own <- got.Own
			}()
		}
		owners := 0
		for range 10 {
			if <-own {
				owners++
			}
		}
		if owners != 1 || from.reads != 1 {
			t.Errorf("%d callers say that they read; %d reads", owners, from.reads)
		}
	})
}

// TestErrors: an error of the thing is everybody's; one of the reader's is its own.
func TestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		ends  bool // the context of the reader ends
		reads int
	}{
		"of the thing":   {err: errors.New("it is gone"), reads: 1},
		"of the reader":  {err: errLost, reads: 2},
		"of its context": {ends: true, reads: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, from := newShelf(100), &source{value: "one", err: tc.err, takes: time.Second}
				ctx, cancel := context.WithCancel(t.Context())
				first, second := make(chan error, 1), make(chan error, 1)
				ask := func(ctx context.Context, ended chan<- error) {
					_, err := s.Get(ctx, "key", from.read, isLost)
					ended <- err
				}
				go ask(ctx, first)
				synctest.Wait()
				go ask(t.Context(), second)
				synctest.Wait()
				if tc.ends {
					cancel()
				}
				if <-first == nil || (<-second == nil) != tc.ends || from.reads != tc.reads {
					t.Errorf("%d reads, want %d", from.reads, tc.reads)
				}
				cancel()
			})
		})
	}
}

// TestDrop: what was read before a drop, or is being read at it, is not returned after it.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from := newShelf(3), &source{value: "one", takes: time.Second}
		want(t, s, from, "one", 1)
		s.Drop("key")
		from.value = "two"
		go func() { _, _ = s.Get(t.Context(), "key", from.read, isLost) }()
		synctest.Wait()
		s.Drop("key")
		from.value = "new"
		want(t, s, from, "new", 3)
		s.Put("other", s.Drop("other"), "xyz") // there is not room for both; the drop is still known
		pass(2 * time.Second)
		if v, ok := s.Take("key"); ok {
			t.Errorf("Take = %q after it had to make room", v)
		}
	})
}

func TestPut(t *testing.T) {
	s := newShelf(100)
	token := s.Drop("key")
	s.Put("key", token, "mine")
	if v, ok := s.Take("key"); !ok || v != "mine" {
		t.Errorf("Take = %q, %v", v, ok)
	}
	token = s.Drop("key")
	s.Drop("key") // somebody else writes
	s.Put("key", token, "old")
	if v, ok := s.Take("key"); ok {
		t.Errorf("Take = %q, which another write has overtaken", v)
	}
	s.Put("key", s.Drop("key"), string(make([]byte, 101)))
	if _, ok := s.Take("key"); ok {
		t.Error("Take returned what is larger than the whole shelf")
	}
}

func TestPanic(t *testing.T) {
	_, err := newShelf(100).Get(t.Context(), "key", func(context.Context) (string, error) { panic("secret") }, isLost)
	if err == nil || err.Error() != "known: the read panicked with a string" {
		t.Errorf("Get = %v", err)
	}
}
