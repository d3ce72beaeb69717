package main

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os/exec"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/clients"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var connectCommand = command{
	name: "connect", about: "connect the editors and agents of the current folder to the workspace of VIBN_API_KEY",
	reads: []string{"VIBN_URL", "VIBN_API_KEY"}, needs: []string{"VIBN_URL", "VIBN_API_KEY"},
	flags: func(fs *pflag.FlagSet) {
		fs.StringSlice(
			"client", nil,
			"set up these too: "+strings.Join(clients.Names(), ", ")+"; or all (default: those that are used here)",
		)
		fs.Bool("dry-run", false, "show what would change, and change nothing")
		fs.Bool("uninstall", false, "take out what was put in; with --client, of these only")
	},
	run: connect,
}

var (
	errLeft    = errors.New("some files were left alone")
	errStrange = errors.New("the server at VIBN_URL does not answer as a vibn-mcp does")
)

// connect does the same as bootstrap.sh, without a shell.
func connect(ctx context.Context, p *program) error {
	names, err := p.clientNames()
	if err != nil {
		return err
	}
	if err := mcp.CheckServer(p.cfg.serverURL); err != nil {
		return badServerURL(err)
	}
	f := &clients.Folder{
		Key: p.cfg.apiKey, Dir: ".", Home: cmp.Or(p.env("HOME"), p.env("USERPROFILE")), Clients: names, Out: p.stdout,
		Words: p.stderr,
		Has:   func(name string) bool { _, err := exec.LookPath(name); return err == nil },
	}
	f.DryRun, _ = p.flags.GetBool("dry-run") // the command itself defines the flags
	f.Uninstall, _ = p.flags.GetBool("uninstall")
	f.URL = p.root()
	if !f.Uninstall { // a revoked key can be removed too
		if f.Setup, err = p.fetchSetup(ctx); err != nil {
			return err
		}
	}
	if !f.Connect(ctx) {
		return hinted{errLeft, "what it said of each file tells why, and what to put into it instead"}
	}
	return nil
}

// clientNames returns the clients named by --client.
func (p *program) clientNames() ([]string, error) {
	names, err := p.flags.GetStringSlice("client")
	if err != nil {
		return nil, err
	}
	var known []string
	for _, name := range names {
		if name == "all" {
			return clients.Names(), nil
		}
		if _, ok := clients.Named(name); !ok {
			return nil, usageError{
				"there is no client \"" + untrusted.Clean(name) + "\"",
				"the clients: " + strings.Join(clients.Names(), ", ") + "; or all",
			}
		}
		known = append(known, name)
	}
	return known, nil
}

// root returns the root URL of the server at VIBN_URL, which may also name the MCP
// endpoint.
func (p *program) root() *url.URL {
	root := *p.cfg.serverURL
	for _, p := range []*string{&root.Path, &root.RawPath} {
		*p = strings.TrimSuffix(strings.TrimRight(*p, "/"), "/mcp")
	}
	return &root
}

// fetchSetup reads the key's workspace from the server at VIBN_URL.
func (p *program) fetchSetup(ctx context.Context) (clients.Setup, error) {
	var list struct{ Workspaces []struct{ Slug string } }
	server := p.server()
	if err := server.fetch(ctx, "/api/workspaces", &list); err != nil {
		return clients.Setup{}, err
	}
	if len(list.Workspaces) != 1 {
		return clients.Setup{}, errStrange
	}
	var is struct {
		GitServer string `json:"git_server"`
		Prompt    string `json:"prompt"`
	}
	slug := list.Workspaces[0].Slug
	if err := server.fetch(ctx, "/api/workspaces/"+url.PathEscape(slug)+"/setup", &is); err != nil {
		return clients.Setup{}, err
	}
	s := clients.Setup{URL: server.root, Slug: slug, Prompt: is.Prompt}
	if is.GitServer == "" {
		return s, nil
	}
	var err error
	if s.Gitea, err = parseURL(is.GitServer); err != nil {
		return clients.Setup{}, errStrange
	}
	return s, nil
}
