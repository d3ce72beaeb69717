package tenancy

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/known"
	"github.com/vibnai/vibn-mcp/internal/waits"
)

const (
	defaultPollEvery = 3 * time.Second
	// proofAge bounds how long overlapping waits may rely on one proof that the
	// deployment is the workspace's.
	proofAge = time.Minute
	// runningLookTime bounds a request for the running deployments, even if the caller that
	// began it disconnects.
	runningLookTime = 10 * time.Second
)

// runningDeployments are the queued and running deployments of all tenants.
type runningDeployments = map[coolify.UUID]coolify.DeploymentStatus

// listRunning asks Coolify, on the reserve, as no single tenant causes the request.
func (g *Guard) listRunning(ctx context.Context) (runningDeployments, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runningLookTime)
	defer cancel()
	list, err := g.coolify.Metered(g.budget.reserve).RunningDeployments(ctx)
	running := runningDeployments{}
	for _, d := range list {
		running[d.UUID] = d.Status
	}
	return running, err
}

// newRunning returns what was read of the running deployments less than half a poll
// interval ago, which a poll then reads anew.
func (g *Guard) newRunning() *known.Shelf[runningDeployments] {
	rules := known.Rules{Age: g.waits.Every() / 2, Most: maxRunning, Now: time.Now}
	return known.New(rules, func(r runningDeployments) int { return len(r) })
}

const maxRunning = 100_000

// recentlyRunning returns the running deployments, at most one poll interval old.
func (g *Guard) recentlyRunning(ctx context.Context) (runningDeployments, error) {
	got, err := g.running.Get(ctx, "", g.listRunning, func(error) bool { return false })
	return maps.Clone(got.Value), err
}

// newWaitRoom returns the room in which waits share their requests.
func (g *Guard) newWaitRoom(every time.Duration) *waits.Room[FoundDeployment] {
	return waits.New(waits.Rules[FoundDeployment]{
		Every: every, Trust: proofAge, Now: g.now,
		Ended: func(d FoundDeployment) bool { return d.Status.Terminal() },
		List: func(ctx context.Context) (runs func(string, *FoundDeployment) bool, err error) {
			defer func() { // a panic here would end the process
				if p := recover(); p != nil {
					err = fmt.Errorf("panicked with a %T", p)
				}
				if err != nil {
					g.log.WarnContext(ctx, "look at running deployments", "err", g.ForLog(err))
				}
			}()
			running, err := g.recentlyRunning(ctx)
			return func(id string, d *FoundDeployment) bool {
				uuid, _ := coolify.ParseUUID(id) // of no id runs any
				status, ok := running[uuid]
				d.Status = status
				return ok
			}, err
		},
	})
}

// Wait is [Scope.Wait] for an id that is well-formed.
func (s Inside) Wait(ctx context.Context, id coolify.UUID, d time.Duration) (FoundDeployment, error) {
	room, key := s.guard.waits, waits.Key{Owner: s.grant.workspace.ID, Thing: id.String()}
	leave := room.Enter(key)
	defer leave()
	if a := s.call.announced; a.UUID == id && a.Application != nil {
		room.Announce(key, a)
	}
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		deployment, looked, err := room.Look(ctx, key, s.readWaited(id), isPrivate)
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
			if room.Expire(key) { // nothing has confirmed yet that it exists
				if deployment, _, err = room.Look(ctx, key, s.readWaited(id), isPrivate); err != nil {
					return FoundDeployment{}, err
				}
			}
			return s.Rebound(deployment), s.Prove(ctx)
		case <-room.Closing():
			if room.Expire(key) {
				return FoundDeployment{}, errUnconfirmed
			}
			return s.Rebound(deployment), s.Prove(ctx)
		case <-ctx.Done():
			return FoundDeployment{}, UpstreamError("wait for the deployment", ctx.Err())
		}
		if err := s.Prove(ctx); err != nil {
			return FoundDeployment{}, err
		}
	}
}

// readWaited returns the look at a deployment that somebody waits for.
func (s Inside) readWaited(id coolify.UUID) func(context.Context, bool) (FoundDeployment, error) {
	return func(ctx context.Context, ended bool) (FoundDeployment, error) {
		d, ok, err := s.findDeployment(ctx, id, ended)
		if err == nil && !ok {
			err = ErrNoDeployment
		}
		return d, err
	}
}

// errUnconfirmed ends a wait that the end of the process cuts short.
var errUnconfirmed = &Error{Code: Unavailable, Msg: "the server is stopping", Retryable: true, RetryAfter: 5 * time.Second}

// Announce tells the call's own [Inside.Wait] of the deployment that Coolify named when the
// call requested it for an app. The first look at it, which proves that it exists, then
// comes after a poll interval.
func (s Inside) Announce(app FoundApp, id coolify.UUID) {
	s.call.announced = s.foundDeployment(coolify.Deployment{
		UUID: id, Status: coolify.DeploymentQueued, Application: &app.Application,
	}, app)
}
