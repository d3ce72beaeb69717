package coolifytest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A container is what the last deployment that finished has started. It answers
// for the domains that the application had then.
type container struct {
	commit, fqdn string
	port         string // that the proxy sends requests to
	at           time.Time
	crashes      bool
	replaces     bool // one that ran, without a health check: some requests are lost at the switch
}

// switching is how long the proxy may still send requests to a container that was replaced.
const switching = time.Second

// HelpersLeft returns the deployments whose helper container stayed on its host, with the
// Docker socket and the deploy key, because their application was deleted meanwhile.
func (s *Server) HelpersLeft() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.Clone(s.helpers)
}

// OnResolve makes deployments find the head of a branch through f when they
// begin, in the place of [App.Commit]. A pinned commit is not looked for. When f
// returns "" there is no such branch, and the deployment fails. f is called with
// the simulator locked, so it must not call the simulator. Nil ends it.
func (s *Server) OnResolve(f func(repository, branch string) (sha string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads = f
}

// Serving returns what the proxies answer for a host name: the commit that runs
// and the status of its answer, or "" and 503 when nothing runs for that name in a
// network that the proxy has joined: over plain HTTP that is a 404 of the proxy's own.
// Of several applications the one that was deployed last answers.
func (s *Server) Serving(host string) (commit string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	a, c := s.latestUp(host)
	switch {
	case c == nil:
		return "", http.StatusServiceUnavailable
	case c.crashes, a.Listens != "" && a.Listens != c.port, c.replaces && s.cfg.Now().Sub(c.at) < switching:
		return "", http.StatusBadGateway
	case a.NoPage:
		return c.commit, http.StatusNotFound
	}
	return c.commit, a.HTTPStatus
}

// container is what runs of an application; nil when nothing does. One that was
// added as running has its present commit.
func (a *app) container(now time.Time) *container {
	switch {
	case !isUp(a.state(now)):
		return nil
	case a.live == nil:
		return &container{commit: a.Commit, fqdn: a.FQDN, port: a.proxyPort, at: a.created}
	}
	return a.live
}

func (c *container) answers(host string) bool {
	return slices.ContainsFunc(domainList(c.fqdn), func(address string) bool {
		u, err := url.Parse(address)
		return err == nil && strings.EqualFold(u.Hostname(), host)
	})
}

// rollback queues a deployment of a commit, whether there is an image of it or
// not.
func (s *Server) rollback(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(required("commit")...)
	if bad.extra(c, "commit"); len(bad) > 0 {
		return invalid(bad)
	}
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	if !commitPattern.MatchString(c.text("commit")) {
		return invalid(object{"commit": []string{"Invalid rollback commit: contains invalid characters."}})
	}
	uuid, result := s.queue(a, order{rollback: c.text("commit")})
	switch result {
	case full:
		return message(http.StatusBadRequest, queueFull)
	case skipped:
		return message(http.StatusOK, alreadyQueued)
	}
	return reply(http.StatusOK, object{"message": "Rollback deployment queued.", "deployment_uuid": uuid})
}
