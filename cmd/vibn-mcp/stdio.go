package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/vibnai/vibn-mcp/mcp"
)

var stdioCommand = command{
	name:  "stdio",
	about: "serve MCP to one client over standard input and output; with VIBN_URL, from the server there",
	needs: slices.Concat([]string{"VIBN_API_KEY"}, serverNeeds),
	run:   serveStdio,
}

// bridgeCommand is stdio for a server at VIBN_URL: it needs only the key.
var bridgeCommand = command{
	name: "stdio", reads: []string{"VIBN_URL", "VIBN_API_KEY"}, needs: []string{"VIBN_API_KEY"},
	run: bridge,
}

// isRemote reports whether VIBN_URL or its flag names a server.
func (p *program) isRemote() bool { return p.env("VIBN_URL") != "" || p.flags.Changed("url") }

func serveStdio(ctx context.Context, p *program) error {
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	h, err := p.openServer(ctx, log)
	if err != nil {
		return err
	}
	defer h.close()
	h.logCoolifyVersion(ctx)
	if _, err := h.guard.OpenKey(ctx, p.cfg.apiKey.Reveal()); err != nil {
		return err
	}
	log.InfoContext(ctx, "serving in this process over stdio", "database", h.db.Dialect())
	return mcp.ServeStdio(ctx, h.registry, h.guard, p.cfg.apiKey, version(), log, p.stdin, p.stdout)
}

func badServerURL(err error) error {
	return configErrors{{"VIBN_URL", err.Error(), "give the address of the server, as https://vibn.example.com"}}
}

func bridge(ctx context.Context, p *program) error {
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	b, err := mcp.NewBridge(p.cfg.serverURL, p.cfg.apiKey, log)
	if err != nil {
		return badServerURL(err)
	}
	log.InfoContext(ctx, "bridging stdio to a server", "url", p.cfg.serverURL.String())
	return b.Run(ctx, p.stdin, p.stdout)
}
