// Package once makes a thing on another server that is to be there exactly once,
// whatever crashes or gets lost on the way.
//
// No create of Coolify or Gitea is idempotent, and any answer can be lost. So a
// thing bears a mark from the moment that it is made; whoever wants it looks for
// the mark first, makes the thing only if there is none, looks again instead of
// trusting the answer, records the id, and deletes the twins that lost answers and
// concurrent calls have left. A crash between any two of these steps is mended by
// doing all of them again.
package once

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// A Thing says how one thing is found, made and recorded. All functions but Drop are
// required.
type Thing[T any] struct {
	// Find lists everything that is proved to be the thing, by its recorded id or by its
	// mark, the oldest first.
	Find func(context.Context) ([]T, error)
	// Recorded reports whether the id of one of these is recorded. That one is kept, else
	// the oldest.
	Recorded func(T) bool
	// Create asks for the thing. Its error matters only if Find finds nothing then.
	Create func(context.Context) error
	// Record stores the id of one, unless a concurrent call was quicker; Recorded tells
	// afterwards which one is stored.
	Record func(context.Context, T) error
	// Drop deletes a twin, and returns nil for one that is gone. nil = the server lets
	// none come into being.
	Drop func(context.Context, T) error
}

// ErrNotListed is the error where a create was answered well and made nothing that
// Find finds.
var ErrNotListed = errors.New("what was made is not to be found")

// ErrOvertaken is the error where a concurrent call has made and recorded another one
// between our Find and our Record. Nothing was deleted; the next attempt finds it.
var ErrOvertaken = errors.New("another call has just made it")

// Ensure returns the thing, and makes it if it is not there; fresh says that this
// call asked for it. Nothing is deleted before the one that is kept is recorded. The
// error is the first of the functions; that of Create, else [ErrNotListed], if the
// thing is still not there.
func (t Thing[T]) Ensure(ctx context.Context) (kept T, fresh bool, err error) {
	found, err := t.Find(ctx)
	if err != nil {
		return kept, false, err
	}
	if len(found) == 0 {
		fresh = true
		failed := t.Create(ctx)
		if found, err = t.Find(ctx); err != nil {
			return kept, fresh, err
		}
		if len(found) == 0 {
			return kept, fresh, cmp.Or(failed, ErrNotListed)
		}
	}
	i := slices.IndexFunc(found, t.Recorded)
	if i < 0 {
		if err := t.Record(ctx, found[0]); err != nil {
			return kept, fresh, err
		}
		if i = slices.IndexFunc(found, t.Recorded); i < 0 {
			return kept, fresh, ErrOvertaken
		}
	}
	return found[i], fresh && i == 0, t.dropTwins(ctx, found, i)
}

// dropTwins deletes all that was found but the one that is kept.
func (t Thing[T]) dropTwins(ctx context.Context, found []T, kept int) error {
	if t.Drop == nil {
		return nil
	}
	for i, twin := range found {
		if i == kept {
			continue
		}
		if err := t.Drop(ctx, twin); err != nil {
			return err
		}
	}
	return nil
}
