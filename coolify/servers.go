package coolify

import "context"

// A Server is a host that Coolify deploys to.
type Server struct {
	UUID        UUID
	Name        string
	Description string
	IP          string
	CoolifyHost bool // Coolify itself runs here; true also if it did not tell
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
		Reachable:   bool(w.Settings.Value.Reachable), Usable: bool(w.Settings.Value.Usable), BuildServer: bool(w.Settings.Value.BuildServer),
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

// Server returns a server.
//
//api:op GET /servers/{uuid}
func (c *Client) Server(ctx context.Context, server UUID) (Server, error) {
	var w wireServer
	if err := c.do(ctx, newRequest("GET", "/servers/{uuid}", server), &w); err != nil {
		return Server{}, err
	}
	return w.server(), nil
}
