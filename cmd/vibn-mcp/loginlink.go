package main

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy"
)

var loginLinkCommand = command{
	name: "login-link", about: "print a one-time link that signs a person in to the settings page",
	reads: slices.Concat(databaseVariables, []string{"VIBN_PUBLIC_URL", "VIBN_LISTEN"}),
	flags: func(fs *pflag.FlagSet) {
		fs.String("workspace", "", "slug of the workspace")
		fs.String("user", "", "member to sign in, by the platform's id (default: the owner)")
		fs.String("invite", "", "make a link to join instead, as owner, admin or member")
		fs.Int("minutes", int(people.DefaultLinkLife/time.Minute), "minutes until it expires")
	},
	run: operator(loginLink),
}

func loginLink(ctx context.Context, p *program, op *people.Operator) error {
	if p.text("workspace") == "" {
		return usageError{"--workspace names none", "\"vibn-mcp workspace list\" shows the slugs"}
	}
	w, err := op.Workspace(ctx, p.text("workspace"))
	if err != nil {
		return err
	}
	minutes, err := p.flags.GetInt("minutes")
	if err != nil || minutes < 1 || minutes > 30*24*60 {
		return usageError{"--minutes is between 1 and 43200", "an hour is the default"}
	}
	l, token, err := op.LoginLink(
		ctx, w, p.text("user"), tenancy.Role(p.text("invite")), time.Duration(minutes)*time.Minute,
	)
	if err != nil {
		return err
	}
	what := "signs in " + l.UserID
	if l.Role != "" {
		what = "lets a person join as " + string(l.Role)
	}
	p.sayf(
		"the link %s, to workspace %s, once, until %s\n", what, w.Slug,
		l.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"),
	)
	return p.printf("%s\n", sidecar.LinkURL(p.cfg.reachedAt(), token.Reveal()))
}

// listenHost returns the host and port at which a browser on this machine reaches a
// listening address.
func listenHost(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
