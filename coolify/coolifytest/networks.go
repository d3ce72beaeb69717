package coolifytest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A network is a bridge network of Docker on a host. A [Destination] is a row that
// names one, whether it is there or not.
type network struct {
	proxy   bool // the host's proxy is in it
	foreign bool // so is a container that Coolify does not manage
}

// dockerPool is how many networks Docker's own address pools are enough for.
const dockerPool = 30

// makeNetwork makes a network, and reports false where Docker has no addresses left.
// One that is there stays as it is.
func (h *host) makeNetwork(name string) bool {
	if h.networks[name] != nil {
		return true
	}
	if len(h.networks) >= h.NetworkPool {
		return false
	}
	h.networks[name] = &network{}
	return true
}

// network is that of a destination; nil where Docker has none of its name.
func (d *destination) network() *network { return d.host.networks[d.Network] }

// runsIn reports whether a container of Coolify's runs in a network.
func (s *Server) runsIn(h *host, name string) bool {
	return slices.Contains(s.networksInUse(h), name)
}

// networksInUse are the names of the networks in which containers of Coolify's run.
func (s *Server) networksInUse(h *host) []string {
	var names []string
	for _, a := range s.apps {
		if a.host == h && a.container(s.cfg.Now()) != nil {
			names = append(names, a.dest.Network)
		}
	}
	for _, d := range s.databases {
		if d.dest.host == h && strings.HasPrefix(d.Status, "running") {
			names = append(names, d.dest.Network)
		}
	}
	for _, v := range s.services {
		if v.dest.host == h && v.runs {
			names = append(names, v.UUID)
		}
	}
	return names
}

// joinProxy connects the host's proxy to the networks of what runs.
func (s *Server) joinProxy(h *host) {
	for _, name := range s.networksInUse(h) {
		if n := h.networks[name]; n != nil {
			n.proxy = true
		}
	}
}

// removeNetwork is docker network rm, after the proxy has left. It reports whether
// the network is gone; one in which anything runs stays.
func (s *Server) removeNetwork(h *host, name string) bool {
	n := h.networks[name]
	if n == nil {
		return true
	}
	n.proxy = false
	if n.foreign || s.runsIn(h, name) {
		return false
	}
	delete(h.networks, name)
	return true
}

// CheckServers is Coolify's look at its servers, which it takes once a minute: only
// then the status of a service is what runs, and the proxy joins the networks of what
// runs. With [Config].BuildTime it comes by the clock; without it, each time that
// somebody has been shown a service.
func (s *Server) CheckServers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkServers()
}

func (s *Server) checkServers() {
	s.checked = s.cfg.Now()
	for _, v := range s.services {
		v.Status = "exited"
		if v.runs {
			v.Status = "running:unknown"
		}
	}
	for _, h := range s.hosts {
		s.joinProxy(h)
	}
}

// checkByClock is [Server.CheckServers] where it is due.
func (s *Server) checkByClock(now time.Time) {
	if now.Sub(s.checked) >= cmp.Or(s.cfg.CheckEvery, s.cfg.BuildTime) {
		s.checkServers()
	}
}

// checkAfter is [Server.CheckServers] where no clock brings it.
func (s *Server) checkAfter(a answer) answer {
	if s.cfg.BuildTime <= 0 {
		s.checkServers()
	}
	return a
}

// AddForeignContainer starts a container that Coolify does not manage in a network of
// a server. An unknown one of either panics.
func (s *Server) AddForeignContainer(hostUUID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := must(find(s.hosts, func(h *host) bool { return h.UUID == hostUUID }), "server", hostUUID)
	must(h.networks[name], "network", name).foreign = true
}

// Networks returns the names of the networks that Docker has on a server, in order. An
// unknown server panics.
func (s *Server) Networks(hostUUID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	h := must(find(s.hosts, func(h *host) bool { return h.UUID == hostUUID }), "server", hostUUID)
	var names []string
	for name := range h.networks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// loseNetwork fails a deployment whose network Docker does not have: the helper
// container, with which each begins, does not start.
func (s *Server) loseNetwork(d *deployment, at time.Time) {
	name := d.app.dest.Network
	command := fmt.Sprintf(
		"docker run -d --network '%s' --name %s --rm -v /var/run/docker.sock:/var/run/docker.sock "+
			"ghcr.io/coollabsio/coolify-helper:1.0.15", name, d.UUID,
	)
	d.add(LogLine{Output: fmt.Sprintf(
		"Deployment failed: Command execution failed (exit code 125): %s\nError: docker: Error response from daemon: "+
			"network %s not found.", command, name,
	), Type: "stderr", At: at})
	d.end(Failed, at, s.cfg.StatusLag)
}
