// Package places divides what one workspace may ask of this server among its callers, so
// that a key that leaked or runs wild cannot keep the workspace's people from revoking it.
package places

import (
	"sync"

	"golang.org/x/time/rate"
)

// Rules are the limits of one workspace. Of the places and of the rate a part is kept for
// people and for revocations, and no caller gets all of the rest.
type Rules struct {
	Places    int // calls at the same time
	PerMinute int // calls of all keys
	Burst     int // calls of all keys at once
}

// A Caller is one of a workspace's callers.
type Caller struct {
	Name     string // the same for each of its calls
	Reserved bool   // may use what is kept for people and revocations
}

// Places are a workspace's places and rates. They are safe for concurrent use.
type Places struct {
	rules  Rules
	keys   *rate.Limiter // of all keys
	people *rate.Limiter // of what is reserved

	mu    sync.Mutex
	taken int
	parts map[string]*part // by caller
}

// A part is what one caller uses.
type part struct {
	calls   int
	reading int // bodies that are being read
	rate    *rate.Limiter
}

// New returns the places of a workspace.
func New(r Rules) *Places {
	limit := rate.Limit(float64(r.PerMinute) / 60)
	return &Places{
		rules: r, keys: rate.NewLimiter(limit, r.Burst), people: rate.NewLimiter(limit, r.Burst), parts: map[string]*part{},
	}
}

// one returns how many places one caller may have: half of all.
func (r Rules) one() int { return (r.Places + 1) / 2 }

// kept returns how many places only reserved callers get: a sixth.
func (r Rules) kept() int { return r.Places / 6 }

// Admit counts a call against the rates. One caller has three quarters of the
// workspace's rate; what is reserved has a rate of its own.
func (p *Places) Admit(c Caller) bool {
	all := p.keys
	if c.Reserved {
		all = p.people
	}
	p.mu.Lock()
	own := p.part(c.Name).rate
	p.mu.Unlock()
	return own.Allow() && all.Allow()
}

// Enter takes a place for a call; leave gives it back. It returns false if there is none
// for the caller.
func (p *Places) Enter(c Caller) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.rules.Places
	if !c.Reserved {
		most -= p.rules.kept()
	}
	own := p.part(c.Name)
	if p.taken >= most || own.calls >= p.rules.one() {
		return nil, false
	}
	p.taken++
	own.calls++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		own.calls--
	}, true
}

// Read counts a body that a caller sends; done ends it. Bodies take no places: who sends
// them slowly keeps only itself waiting.
func (p *Places) Read(c Caller) (done func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.part(c.Name)
	if own.reading >= p.rules.Places {
		return nil, false
	}
	own.reading++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		own.reading--
	}, true
}

// maxParts is the number of callers at which idle ones are dropped.
const maxParts = 64

// part returns the part of a caller. The caller of part holds the lock.
func (p *Places) part(name string) *part {
	if own, ok := p.parts[name]; ok {
		return own
	}
	if len(p.parts) >= maxParts {
		for name, x := range p.parts {
			if x.idle() {
				delete(p.parts, name)
			}
		}
	}
	own := &part{rate: rate.NewLimiter(p.keys.Limit()*3/4, (p.rules.Burst*3+3)/4)}
	p.parts[name] = own
	return own
}

// idle reports whether a part is in the state of a new one.
func (x *part) idle() bool {
	return x.calls+x.reading == 0 && x.rate.Tokens() >= float64(x.rate.Burst())
}

// Idle reports whether the places are in the state of new ones.
func (p *Places) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.parts {
		if !x.idle() {
			return false
		}
	}
	return full(p.keys) && full(p.people)
}

func full(l *rate.Limiter) bool { return l.Tokens() >= float64(l.Burst()) }
