package tenancy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/untrusted"
)

const (
	defaultPollEvery = 3 * time.Second
	// proofAge bounds how long overlapping waits may rely on one proof that the
	// deployment is the workspace's.
	proofAge = time.Minute
)

// A waitRoom lets concurrent waits share their requests. One request for the list of
// running deployments, of all tenants, serves every wait of the process. Waits of one
// workspace for one deployment also share the request for that deployment. Workspaces
// share only the list of running deployments.
type waitRoom struct {
	every   time.Duration
	log     *slog.Logger
	shown   *untrusted.Scrubber // for what goes to the log
	looking *singleflight.Group
	running *runningDeployments
	closing chan struct{} // closed when the process stops: waits answer with what they know

	state *waitState
}

type waitState struct {
	mu      sync.Mutex
	watches map[watchKey]*watch
	polling bool
}

type watchKey struct {
	workspace  string
	deployment coolify.UUID
}

// A watch is one deployment that one or more callers of one workspace wait for.
type watch struct {
	waiting    int // number of waits; the last one removes the watch
	deployment FoundDeployment
	proved     time.Time     // when a lookup proved whose it is; zero = not yet
	gone       bool          // the last list of running deployments did not contain it
	looked     chan struct{} // closed and replaced after each poll
}

func newWaitRoom(c *coolify.Client, every time.Duration, log *slog.Logger, shown *untrusted.Scrubber) waitRoom {
	if every <= 0 {
		every = defaultPollEvery
	}
	return waitRoom{
		every: every, log: log, shown: shown, looking: &singleflight.Group{},
		running: &runningDeployments{coolify: c, every: every}, closing: make(chan struct{}),
		state: &waitState{watches: map[watchKey]*watch{}},
	}
}

// Wait is [Scope.Wait] for an id that is well-formed.
func (s Inside) Wait(ctx context.Context, id coolify.UUID, d time.Duration) (FoundDeployment, error) {
	room, key := s.guard.waits, watchKey{s.grant.workspace.ID, id}
	room.enter(key) //nolint:contextcheck // the poll of running deployments serves all waits and outlives this one
	defer room.leave(key)
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		deployment, looked, err := s.look(ctx, key)
		if err != nil {
			return FoundDeployment{}, err
		}
		if deployment.Status.Terminal() {
			return s.Rebound(deployment), s.Prove(ctx)
		}
		if s.call.look != nil {
			app := deployment.Application
			s.call.look(s.DeploymentInfo(deployment.Deployment, app.UUID.String(), app.Name))
		}
		select {
		case <-looked:
		case <-end.C:
			return s.Rebound(deployment), s.Prove(ctx)
		case <-room.closing:
			return s.Rebound(deployment), s.Prove(ctx)
		case <-ctx.Done():
			return FoundDeployment{}, UpstreamError("wait for the deployment", ctx.Err())
		}
		if err := s.Prove(ctx); err != nil {
			return FoundDeployment{}, err
		}
	}
}

// look returns the known state of the deployment, and a channel that closes after the
// next poll. It asks Coolify only if no recent lookup of the workspace has proved whose
// the deployment is, or if it no longer runs.
func (s *Scope) look(ctx context.Context, key watchKey) (FoundDeployment, <-chan struct{}, error) {
	room := s.guard.waits
	deployment, looked, fresh := room.known(key, s.guard.now())
	if fresh {
		return deployment, looked, nil
	}
	leader := false
	// The key contains the workspace: workspaces never share an answer.
	v, _, _ := room.looking.Do(key.workspace+"/"+key.deployment.String(), func() (any, error) {
		leader = true
		return s.lookup(ctx, key), nil
	})
	result, _ := v.(lookup)
	if result.callerSpecific && !leader && ctx.Err() == nil {
		return s.look(ctx, key)
	}
	return result.deployment, looked, result.err
}

// A lookup is the result of one request that several waits may share. An error is
// callerSpecific if it concerns the call that made the request: it ended, or lost its
// right. The other waits then make their own.
type lookup struct {
	deployment     FoundDeployment
	err            error
	callerSpecific bool
}

func (s *Scope) lookup(ctx context.Context, key watchKey) lookup {
	room := s.guard.waits
	if deployment, _, fresh := room.known(key, s.guard.now()); fresh {
		return lookup{deployment: deployment} // another lookup ended just before this one began
	}
	d, ok, err := Inside{s}.FindDeployment(ctx, key.deployment)
	if err == nil && !ok {
		err = ErrNoDeployment
	}
	if err != nil {
		code := Public(err).Code
		return lookup{err: err, callerSpecific: ctx.Err() != nil || code == Unauthorized || code == Forbidden}
	}
	room.learn(key, d, s.guard.now())
	return lookup{deployment: d}
}

// known returns the state of a watch; fresh says that no lookup is needed.
func (r waitRoom) known(key watchKey, now time.Time) (deployment FoundDeployment, looked <-chan struct{}, fresh bool) {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	w := r.state.watches[key]
	fresh = now.Sub(w.proved) < proofAge && (!w.gone || w.deployment.Status.Terminal())
	return w.deployment, w.looked, fresh
}

// learn records a lookup that proved whose the deployment is.
func (r waitRoom) learn(key watchKey, deployment FoundDeployment, now time.Time) {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	if w, ok := r.state.watches[key]; ok {
		w.deployment, w.proved, w.gone = deployment, now, false
	}
}

func (r waitRoom) enter(key watchKey) {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	w, ok := r.state.watches[key]
	if !ok {
		w = &watch{looked: make(chan struct{})}
		r.state.watches[key] = w
	}
	w.waiting++
	if !r.state.polling {
		r.state.polling = true
		go r.poll()
	}
}

func (r waitRoom) leave(key watchKey) {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	w := r.state.watches[key]
	if w.waiting--; w.waiting == 0 {
		delete(r.state.watches, key)
	}
}

// poll requests the running deployments once per interval while there are waits.
func (r waitRoom) poll() {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for range tick.C {
		if !r.keepPolling() {
			return
		}
		r.lookAtAll()
	}
}

// keepPolling reports whether there are waits; if not, the next wait starts a new poll.
func (r waitRoom) keepPolling() bool {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	r.state.polling = len(r.state.watches) > 0
	return r.state.polling
}

// lookAtAll requests the running deployments once for all watches. If Coolify does not
// answer, the waits go on with what they knew; they still prove their rights.
func (r waitRoom) lookAtAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer func() { // a panic here would end the process
		if p := recover(); p != nil {
			r.log.ErrorContext(ctx, "look at running deployments panicked", "type", fmt.Sprintf("%T", p))
		}
	}()
	running, err := r.running.look(ctx)
	if err != nil {
		r.log.WarnContext(ctx, "look at running deployments", "err", ForLog(r.shown, err))
	}
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	for key, w := range r.state.watches {
		if err == nil {
			status, ok := running[key.deployment]
			w.gone = !ok
			if ok && !w.deployment.Status.Terminal() { // the list may be older than a lookup that saw the end
				w.deployment.Status = status
			}
		}
		close(w.looked)
		w.looked = make(chan struct{})
	}
}
