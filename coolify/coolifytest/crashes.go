package coolifytest

import (
	"cmp"
	"strings"
	"time"
)

// maxRestarts is how often a container may restart before Coolify stops its application
// and removes it.
const maxRestarts = 10

const (
	exited     = "exited:unhealthy"
	restarting = "restarting:unknown"
	running    = "running:unknown" // without a health check
	healthy    = "running:healthy"
	degraded   = "degraded:unhealthy"
)

const (
	upFor     = 3500 * time.Millisecond // until such a container ends, each time
	firstWait = 100 * time.Millisecond  // until Docker restarts it; each time twice as long
	lastWait  = time.Minute
	givenUp   = 50 * time.Second // from the end that counts too much until Coolify has stopped it
	degrading = 10 * time.Second // how long an application with a health check seems degraded after a deployment
)

// loop returns the state of a container that always ends, so long after its start, and
// when it ended last. Docker counts a restart when the container ends, before it waits.
func loop(since time.Duration) (status string, restarts int, last time.Duration) {
	end := upFor
	for wait := firstWait; since >= end; wait = min(2*wait, lastWait) {
		restarts, last = restarts+1, end
		switch {
		case restarts == maxRestarts && since >= end+givenUp:
			return exited, restarts, last
		case restarts == maxRestarts, since < end+wait:
			return restarting, restarts, last
		}
		end += wait + upFor
	}
	return running, restarts, last
}

// state returns the true state of an application's container.
func (a *app) state(now time.Time) string {
	if a.live != nil && a.live.crashes && a.Status != exited {
		status, _, _ := loop(now.Sub(a.live.at))
		return status
	}
	return a.Status
}

// A report is what Coolify has noticed of an application's container.
type report struct {
	status      string
	restarts    int
	restartedAt *time.Time
}

// report returns what Coolify's last look showed, which is as old as Config.StatusLag.
func (a *app) report(now time.Time, lag time.Duration) report {
	r := report{a.Status, a.Restarts, a.RestartedAt}
	if a.stopping != nil && now.Sub(*a.stopping) < lag {
		r.status = a.before // docker stop waits for the process, and the status is looked at now and then
		return r
	}
	if a.live == nil || a.Status == exited {
		return r
	}
	since := now.Sub(a.live.at) - lag
	switch {
	case since < 0:
		r.status = a.before
	case a.live.crashes:
		var last time.Duration
		if r.status, r.restarts, last = loop(since); r.restarts > 0 {
			r.restartedAt = new(a.live.at.Add(last))
		}
	case a.HealthCheck && lag > 0 && since < degrading && a.before != exited:
		r.status = degraded
	}
	return r
}

// json is the part of an application's answer that tells of its container.
func (r report) json() object {
	o := object{
		"status": r.status, "restart_count": r.restarts, "last_restart_at": stampOrNull(r.restartedAt),
		"last_restart_type": nil, "max_restart_count": maxRestarts,
	}
	if r.restarts > 0 {
		o["last_restart_type"] = "crash"
	}
	return o
}

// deployed changes an application's container to the one of a deployment that finished.
func (a *app) deployed(d *deployment, at time.Time, lag time.Duration) {
	a.before = cmp.Or(a.report(at, lag).status, exited)
	a.Status, a.Restarts, a.RestartedAt, a.stopping = running, 0, nil, nil
	if a.HealthCheck {
		a.Status = healthy
	}
	a.live = &container{
		commit: d.Commit, fqdn: a.FQDN, port: a.proxyPort, at: at, crashes: a.Crash,
		replaces: lag > 0 && isUp(a.before) && !a.HealthCheck,
	}
}

// isUp reports whether a state is that of a container that runs.
func isUp(status string) bool {
	return strings.HasPrefix(status, "running") || strings.HasPrefix(status, "degraded") ||
		strings.HasPrefix(status, "starting")
}

// latestUp returns what answers for a host name: the application that was deployed last
// of those that run in a network with the proxy in it, and its container; nil if there is
// none. A container that crashes
// has a router while it is up, and nobody listens.
func (s *Server) latestUp(host string) (*app, *container) {
	var up *app
	var of *container
	now := s.cfg.Now()
	for _, a := range s.apps {
		c, n := a.container(now), a.dest.network()
		if c != nil && n != nil && n.proxy && c.answers(host) && (of == nil || !c.at.Before(of.at)) {
			up, of = a, c
		}
	}
	return up, of
}
