package coolifytest

import (
	"cmp"
	"slices"
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

// crashes are the times at which Docker restarts a container that always ends, from its
// start: it waits longer each time.
var crashes = []time.Duration{
	2 * time.Second, 5 * time.Second, 8 * time.Second, 12 * time.Second, 17 * time.Second, 25 * time.Second,
	35 * time.Second, 55 * time.Second, 95 * time.Second, 175 * time.Second,
}

const (
	upFor     = 3 * time.Second  // after each restart
	givenUp   = 10 * time.Second // from the last restart until Coolify has stopped it
	degrading = 10 * time.Second // how long an application with a health check seems degraded after a deployment
)

// loop returns the state of a container that always ends, so long after its start.
func loop(since time.Duration) (status string, restarts int) {
	last := time.Duration(0)
	for ; restarts < len(crashes) && since >= crashes[restarts]; restarts++ {
		last = crashes[restarts]
	}
	switch {
	case restarts == maxRestarts && since >= last+givenUp:
		return exited, restarts
	case since < last+upFor:
		return running, restarts
	}
	return restarting, restarts
}

// state returns the true state of an application's container.
func (a *app) state(now time.Time) string {
	if a.live != nil && a.live.crashes && a.Status != exited {
		status, _ := loop(now.Sub(a.live.at))
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
	if a.live == nil || a.Status == exited {
		return r
	}
	since := now.Sub(a.live.at) - lag
	switch {
	case since < 0:
		r.status = a.before
	case a.live.crashes:
		if r.status, r.restarts = loop(since); r.restarts > 0 {
			at := a.live.at.Add(crashes[r.restarts-1])
			r.restartedAt = &at
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
	a.Status, a.Restarts, a.RestartedAt = running, 0, nil
	if a.HealthCheck {
		a.Status = healthy
	}
	a.live = &container{commit: d.Commit, fqdn: a.FQDN, at: at, crashes: a.Crash}
}

// isUp reports whether a state is that of a container that runs.
func isUp(status string) bool { return strings.HasPrefix(status, "running") }

// latestUp returns what answers for a host name: the application that was deployed last
// of those that run, and its container; nil if there is none. A container that crashes
// has a router while it is up, and nobody listens.
func (s *Server) latestUp(host string) (*app, *container) {
	var up *app
	var of *container
	now := s.cfg.Now()
	for _, a := range slices.Clone(s.apps) {
		c := a.container(now)
		if c != nil && c.answers(host) && (of == nil || !c.at.Before(of.at)) {
			up, of = a, c
		}
	}
	return up, of
}
