// Package once creates a thing on another server exactly once, despite crashes and lost
// answers.
//
// No create of Coolify or Gitea is idempotent, and any answer can be lost. So each thing
// carries a mark from its creation on. The caller searches for the mark first, creates
// the thing only if none is found, searches again instead of trusting the answer, and
// records the id. Last, it deletes the duplicates that lost answers and concurrent calls
// have left. After a crash between any two of these steps, running all of them again
// repairs the state.
package once

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// A Thing says how to find, create and record one thing. All functions but Drop are
// required.
type Thing[T any] struct {
	// Find lists everything that its recorded id or its mark proves to be the thing, the
	// oldest first.
	Find func(context.Context) ([]T, error)
	// Recorded reports whether this one's id is recorded. The recorded one is kept, or
	// else the oldest.
	Recorded func(T) bool
	// Create creates the thing. Its error matters only if Find then finds nothing.
	Create func(context.Context) error
	// Record stores the id of one, unless a concurrent call stored another first;
	// Recorded then says which one is stored.
	Record func(context.Context, T) error
	// Drop deletes a duplicate, and returns nil for one that is gone. nil = the server
	// allows no duplicates.
	Drop func(context.Context, T) error
}

// ErrNotListed says that a create succeeded, but Find does not find what it made.
var ErrNotListed = errors.New("the created resource cannot be found")

// ErrOvertaken says that a concurrent call has created and recorded another one between
// this call's Find and Record. Nothing was deleted; the next attempt finds the other one.
var ErrOvertaken = errors.New("another call has just created it")

// Ensure returns the thing, and creates it if it does not exist; fresh says that this
// call requested it. It records the one that is kept before it deletes any duplicate. The
// error is the first one of the functions. If the thing still does not exist, it is
// Create's error, or else [ErrNotListed].
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

// dropTwins deletes all that were found except the kept one.
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
