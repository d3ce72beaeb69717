package coolify

import "context"

// A Server is a host that Coolify deploys to.
type Server struct {
	UUID        UUID
	Name        string
	Description string
	IP          string
	CoolifyHost bool // Coolify itself runs here; true also if it did not report it
	Reachable   bool
	Usable      bool
	BuildServer bool // builds only, runs nothing
}

type wireServer struct {
	UUID        uid   `json:"uuid"`
	Name        text  `json:"name"`
	Description text  `json:"description"`
	IP          text  `json:"ip"`
	CoolifyHost *flag `json:"is_coolify_host"`
	Settings    part[struct {
		Reachable   flag `json:"is_reachable"`
		Usable      flag `json:"is_usable"`
		BuildServer flag `json:"is_build_server"`
	}] `json:"settings"`
}

func (w *wireServer) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireServer) server() Server {
	return Server{
		UUID: w.UUID.UUID, Name: string(w.Name), Description: string(w.Description), IP: string(w.IP),
		CoolifyHost: w.CoolifyHost.OrTrue(),
		Reachable:   bool(w.Settings.Value.Reachable), Usable: bool(w.Settings.Value.Usable),
		BuildServer: bool(w.Settings.Value.BuildServer),
	}
}

// Servers lists the servers of the token's team.
//
//api:op GET /servers
func (c *Client) Servers(ctx context.Context) ([]Server, error) {
	var w list[wireServer]
	if err := c.do(ctx, newRequest("GET", "/servers"), &w); err != nil {
		return nil, err
	}
	all := make([]Server, 0, len(w))
	for i := range w {
		all = append(all, w[i].server())
	}
	return all, nil
}

// Get returns a server.
//
//api:op GET /servers/{uuid}
func (s ServerClient) Get(ctx context.Context) (Server, error) {
	var w wireServer
	if err := s.c.do(ctx, newRequest("GET", "/servers/{uuid}", s.id), &w); err != nil {
		return Server{}, err
	}
	return w.server(), nil
}

// HostDomains are the host names that applications and services have on one
// server.
type HostDomains struct {
	IP      string // of the server; the public address for Coolify's own host
	Domains []string
}

type wireHostDomains struct {
	IP      text       `json:"ip"`
	Domains list[text] `json:"domains"`
}

// Domains lists host names, without those of Coolify's own page. Despite the route, the
// answer covers every server of the team, by address.
//
//api:op GET /servers/{uuid}/domains
func (s ServerClient) Domains(ctx context.Context) ([]HostDomains, error) {
	var w list[wireHostDomains]
	if err := s.c.do(ctx, newRequest("GET", "/servers/{uuid}/domains", s.id), &w); err != nil {
		return nil, err
	}
	all := make([]HostDomains, 0, len(w))
	for _, e := range w {
		d := HostDomains{IP: string(e.IP)}
		for _, name := range e.Domains {
			d.Domains = append(d.Domains, string(name))
		}
		all = append(all, d)
	}
	return all, nil
}
