package coolifytest

import (
	"cmp"
	"slices"
)

// A State is everything that is there, without secrets and times, in an order
// that does not depend on how it came about but for ids.
type State struct {
	Projects     []Project
	Apps         []App // without what their containers printed
	Databases    []Database
	PrivateKeys  []PrivateKey
	Destinations []Destination
	Services     []Service
}

// Snapshot returns what is there now, of every team. It shares nothing with the
// simulator.
func (s *Server) Snapshot() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out State
	for _, p := range s.projects {
		out.Projects = append(out.Projects, p.public())
	}
	for _, a := range s.apps {
		public := a.copy()
		public.Logs = ""
		out.Apps = append(out.Apps, public)
	}
	for _, d := range s.databases {
		out.Databases = append(out.Databases, d.copy())
	}
	for _, k := range s.keys {
		out.PrivateKeys = append(out.PrivateKeys, k.PrivateKey)
	}
	for _, v := range s.services {
		out.Services = append(out.Services, v.copy())
	}
	for _, h := range s.hosts {
		for _, d := range h.destinations {
			out.Destinations = append(out.Destinations, d.Destination)
		}
	}
	sortBy(out.Projects, func(p Project) string { return p.Name })
	sortBy(out.Apps, func(a App) string { return a.Name })
	sortBy(out.Databases, func(d Database) string { return d.Name })
	sortBy(out.PrivateKeys, func(k PrivateKey) string { return k.Name })
	sortBy(out.Services, func(v Service) string { return v.Name })
	sortBy(out.Destinations, func(d Destination) string { return d.Network })
	return out
}

func sortBy[T any](all []T, name func(T) string) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}
