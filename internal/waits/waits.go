// Package waits lets those who wait for things that run elsewhere share what they look at.
// One list of what runs serves every wait of the process, and waits of one owner for one
// thing share the look at it. Owners share only the list.
package waits

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Rules say what is waited for. All fields are required.
type Rules[D any] struct {
	Every time.Duration // between two lists of what runs
	Trust time.Duration // how long overlapping waits may rely on one look at a thing
	Now   func() time.Time
	Ended func(D) bool // whether a thing has ended for ever

	// List reads what runs. The function that it returns reports whether a thing does, and
	// brings what is known of it up to date. After an error the waits go on with what they
	// knew, so it is List that has to tell of it.
	List func(ctx context.Context) (func(thing string, d *D) (runs bool), error)
}

// listTime bounds one list.
const listTime = 10 * time.Second

// A Key is a thing that an owner waits for.
type Key struct{ Owner, Thing string }

// A Room is where waits go on. It is safe for concurrent use.
type Room[D any] struct {
	rules   Rules[D]
	looking singleflight.Group
	closing chan struct{}
	once    sync.Once

	mu      sync.Mutex
	watches map[Key]*watch[D]
	polling bool
}

// A watch is one thing that one or more callers of one owner wait for.
type watch[D any] struct {
	waiting   int // number of waits; the last one removes the watch
	thing     D
	proved    time.Time     // when a look proved whose it is; zero = not yet
	announced bool          // it was named when it was requested, and no look has confirmed it yet
	gone      bool          // the last list of what runs did not contain it
	looked    chan struct{} // closed and replaced after each list
}

// New returns a room without waits.
func New[D any](rules Rules[D]) *Room[D] {
	return &Room[D]{rules: rules, closing: make(chan struct{}), watches: map[Key]*watch[D]{}}
}

// Every returns the time between two lists.
func (r *Room[D]) Every() time.Duration { return r.rules.Every }

// Close closes the channel that Closing returns.
func (r *Room[D]) Close() { r.once.Do(func() { close(r.closing) }) }

// Closing returns a channel that is closed when the process stops: waits then answer with
// what they know.
func (r *Room[D]) Closing() <-chan struct{} { return r.closing }

// Enter begins a wait; leave ends it.
func (r *Room[D]) Enter(key Key) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.watches[key]
	if !ok {
		w = &watch[D]{looked: make(chan struct{})}
		r.watches[key] = w
	}
	w.waiting++
	if !r.polling {
		r.polling = true
		go r.poll()
	}
	return func() { r.leave(key) }
}

func (r *Room[D]) leave(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watches[key]
	if w.waiting--; w.waiting == 0 {
		delete(r.watches, key)
	}
}

// Announce records a thing that its owner has just requested. Nothing has confirmed yet
// that it exists; the first look at it comes after a poll interval, when there is something
// to see.
func (r *Room[D]) Announce(key Key, thing D) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.watches[key]; w.proved.IsZero() {
		w.thing, w.proved, w.announced = thing, r.rules.Now(), true
	}
}

// Expire has the next look confirm a thing that was announced; it returns false if one has.
func (r *Room[D]) Expire(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watches[key]
	w.gone = w.gone || w.announced
	return w.announced
}

// A look is what several waits may share of one look at a thing.
type look[D any] struct {
	thing   D
	err     error
	private bool // the error concerns the caller that looked; the others look themselves
}

// Look returns what is known of a thing, and a channel that closes after the next list. It
// calls read only if no recent look of the owner has proved whose the thing is, or if it no
// longer runs. ended tells read that the thing has probably ended. An error that private
// reports, or of a caller whose context has ended, is not shared.
func (r *Room[D]) Look(
	ctx context.Context, key Key, read func(ctx context.Context, ended bool) (D, error), private func(error) bool,
) (D, <-chan struct{}, error) {
	thing, looked, fresh, _ := r.known(key)
	if fresh {
		return thing, looked, nil
	}
	leader := false
	// The key contains the owner: owners never share an answer.
	v, _, _ := r.looking.Do(key.Owner+"/"+key.Thing, func() (any, error) {
		leader = true
		thing, _, fresh, ended := r.known(key)
		if fresh {
			return look[D]{thing: thing}, nil // another look ended just before this one began
		}
		thing, err := read(ctx, ended)
		if err != nil {
			return look[D]{err: err, private: ctx.Err() != nil || private(err)}, nil //nolint:nilerr // it is in the look
		}
		r.learn(key, thing)
		return look[D]{thing: thing}, nil
	})
	result, _ := v.(look[D])
	if result.private && !leader && ctx.Err() == nil {
		return r.Look(ctx, key, read, private)
	}
	return result.thing, looked, result.err
}

// known returns what is known of a thing; fresh says that no look is needed.
func (r *Room[D]) known(key Key) (thing D, looked <-chan struct{}, fresh, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watches[key]
	fresh = r.rules.Now().Sub(w.proved) < r.rules.Trust && (!w.gone || r.rules.Ended(w.thing))
	return w.thing, w.looked, fresh, w.gone && !w.proved.IsZero()
}

// learn records a look that proved whose the thing is.
func (r *Room[D]) learn(key Key, thing D) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w, ok := r.watches[key]; ok {
		w.thing, w.proved, w.gone, w.announced = thing, r.rules.Now(), false, false
	}
}

// poll reads what runs once per interval while there are waits.
func (r *Room[D]) poll() {
	tick := time.NewTicker(r.rules.Every)
	defer tick.Stop()
	for range tick.C {
		needed, more := r.needs()
		if !more {
			return
		}
		if needed {
			ctx, cancel := context.WithTimeout(context.Background(), listTime)
			runs, err := r.rules.List(ctx)
			cancel()
			if err != nil {
				runs = nil
			}
			r.wake(runs)
			continue
		}
		r.wake(nil)
	}
}

// needs reports whether a list would tell anything: not of things that were announced, each
// of which has to be looked at. Without waits (more is false) the next wait starts a new
// poll.
func (r *Room[D]) needs() (list, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.polling = len(r.watches) > 0
	for _, w := range r.watches {
		list = list || !w.announced
	}
	return list, r.polling
}

// wake tells the waits what runs; nil = not known.
func (r *Room[D]) wake(runs func(thing string, d *D) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, w := range r.watches {
		switch {
		case w.announced:
			w.gone = true
		case runs != nil:
			now := w.thing
			if w.gone = !runs(key.Thing, &now); !w.gone && !r.rules.Ended(w.thing) {
				w.thing = now // the list may be older than a look that saw the end
			}
		}
		close(w.looked)
		w.looked = make(chan struct{})
	}
}
