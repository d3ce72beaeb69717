package upstreamtest

// A crash is the point where the program that speaks to us dies.
type crash struct {
	writes int  // still to come, with the one it dies at
	after  bool // the last one is carried out
	dead   bool
}

// CrashAt makes the program that speaks to the simulator die, as far as it can
// tell, at the n-th request from now that writes, counted from 1: the connection
// is aborted before that request has its effect or, with after, after it. So is
// every request after it, until [Wire.Revive].
func (w *Wire[R]) CrashAt(n int, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crash = &crash{writes: n, after: after}
}

// Revive takes the crash point away and reports whether it was reached.
func (w *Wire[R]) Revive() (crashed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	crashed = w.crash != nil && w.crash.dead
	w.crash = nil
	return crashed
}

// countdown counts a request and reports whether the program is dead before the
// request has its effect, and otherwise whether it dies with it.
func (w *Wire[R]) countdown(write bool) (last, dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.crash
	if k == nil || k.dead {
		return false, k != nil
	}
	if write {
		k.writes--
	}
	k.dead = write && k.writes == 0
	return k.dead && k.after, k.dead && !k.after
}
