package main

import (
	"context"
	"log/slog"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var networkCommand = command{
	name: "workspace network", args: "SLUG",
	about: "show a workspace's Docker network, which apps and databases are outside of it, and what moving them in " +
		"interrupts; changes nothing",
	needs: serverNeeds, flags: jsonFlag, run: operator(showNetwork),
}

// howToMove says what Coolify's API leaves to do: it moves nothing between two networks of
// one server.
const howToMove = `Coolify cannot move an app or a database between two networks of one server. What was there before
the workspace got this network stays until somebody creates it again, and nothing is interrupted until then:
an app: note its variables and domains, delete it (apps_delete), create it with the same name (apps_create),
set both again and push. It does not answer from the deletion until that deployment ends; its volumes are lost.
a database: dump it, delete it, create it again, load the dump, and attach it to its apps. They fail meanwhile.
`

func showNetwork(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	_, provisioner, err := p.cfg.guard(p.db, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	n, err := provisioner.Network(ctx, w)
	if err != nil {
		return err
	}
	for i, o := range n.Outside {
		n.Outside[i].Name, n.Outside[i].Status = untrusted.Clean(o.Name), untrusted.Clean(o.Status)
	}
	if err := p.show(n, []string{"network", n.Network}, networkRows(n)); err != nil {
		return err
	}
	if len(n.Outside) > 0 {
		p.sayf("%s", howToMove)
	}
	return nil
}

// networkRows returns a network as a table for people.
func networkRows(n provision.NetworkState) [][]string {
	rows := [][]string{}
	if n.Service != "" {
		running := "does not run"
		if n.Running {
			running = "runs"
		}
		rows = append(rows, []string{"kept by", "service " + n.Service + ", which " + running})
	}
	for _, o := range n.Outside {
		rows = append(rows, []string{"outside", o.Kind + " " + o.Name + " (" + o.Status + "), in the network " + o.Network})
	}
	return rows
}
