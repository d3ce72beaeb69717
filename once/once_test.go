package once_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/once"
)

var (
	errCrash  = errors.New("crash")
	errRefuse = errors.New("refused")
)

// A world is a server and our own record, with a crash before or after its nth step.
type world struct {
	there    []int // ids, the oldest first
	recorded int   // 0 = none
	next     int
	steps    int
	crashAt  int  // 0 = never
	after    bool // the step is carried out, and its answer lost
	refuse   bool // creates are refused
}

func (w *world) step(do func()) error {
	w.steps++
	if w.steps == w.crashAt && !w.after {
		return errCrash
	}
	do()
	if w.steps == w.crashAt {
		return errCrash
	}
	return nil
}

func (w *world) thing() once.Thing[int] {
	return once.Thing[int]{
		Find: func(context.Context) (found []int, err error) {
			err = w.step(func() { found = slices.Clone(w.there) })
			return found, err
		},
		Recorded: func(id int) bool { return id == w.recorded },
		Create: func(context.Context) error {
			if w.refuse {
				return errRefuse
			}
			return w.step(func() { w.next++; w.there = append(w.there, w.next) })
		},
		Record: func(_ context.Context, id int) error { return w.step(func() { w.recorded = id }) },
		Drop: func(_ context.Context, id int) error {
			return w.step(func() { w.there = slices.DeleteFunc(w.there, func(x int) bool { return x == id }) })
		},
	}
}

// TestCrash stops a run at each step, before it and after it, with two twins there
// or nothing, and runs again.
func TestCrash(t *testing.T) {
	for _, twins := range []int{0, 3} {
		for at := 1; at <= 6; at++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("twins=%d step=%d after=%t", twins, at, after), func(t *testing.T) {
					w := &world{crashAt: at, after: after}
					for range twins {
						w.next++
						w.there = append(w.there, w.next)
					}
					_, _, first := w.thing().Ensure(t.Context())
					if first != nil && !errors.Is(first, errCrash) {
						t.Fatal(first)
					}
					w.crashAt = 0
					before := w.recorded
					kept, _, err := w.thing().Ensure(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if before != 0 && before != kept {
						t.Errorf("%d was recorded, and now %d", before, kept)
					}
					if diff := cmp.Diff([]int{kept}, w.there); diff != "" || w.recorded != kept {
						t.Errorf("recorded %d, there (-want +got):\n%s", w.recorded, diff)
					}
				})
			}
		}
	}
}

// TestRecorded keeps the one that is recorded, also if it is not the oldest.
func TestRecorded(t *testing.T) {
	w := &world{there: []int{1, 2, 3}, recorded: 2}
	if kept, fresh, err := w.thing().Ensure(t.Context()); err != nil || kept != 2 || fresh || len(w.there) != 1 {
		t.Errorf("kept %d of %v: %t %v", kept, w.there, fresh, err)
	}
}

// TestRefused says why there is nothing.
func TestRefused(t *testing.T) {
	w := &world{refuse: true}
	if _, fresh, err := w.thing().Ensure(t.Context()); !errors.Is(err, errRefuse) || !fresh {
		t.Errorf("a refused create: %t %v", fresh, err)
	}
	lost := w.thing()
	lost.Create = func(context.Context) error { return nil }
	if _, _, err := lost.Ensure(t.Context()); !errors.Is(err, once.ErrNotListed) {
		t.Errorf("a create that made nothing: %v", err)
	}
	if w.recorded != 0 {
		t.Errorf("%d is recorded, and nothing is there", w.recorded)
	}
}

// TestFresh tells the one who made it.
func TestFresh(t *testing.T) {
	w := &world{}
	for i, want := range []bool{true, false} {
		if kept, fresh, err := w.thing().Ensure(t.Context()); err != nil || kept != 1 || fresh != want {
			t.Errorf("call %d: %d %t %v", i, kept, fresh, err)
		}
	}
}
