package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
)

// A journey takes an agent from an empty workspace to a live address.
type journey struct {
	*program
	bridge *mcp.Bridge
	env    []string // of git
	spent  int      // bytes of calls and answers so far
}

// travel plays the journey as a client over HTTP with real git, and prints each step.
func (p *program) travel(ctx context.Context, public *url.URL, w demoWorkspace) error {
	dir, err := os.MkdirTemp(p.cfg.dataDir, "journey-")
	if err != nil {
		return err
	}
	b, err := mcp.NewBridge(public, secret.NewText(w.Key), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	j := journey{program: p, bridge: b, env: append(os.Environ(),
		"HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "VIBN_URL="+public.String(),
		"VIBN_API_KEY="+w.Key,
		"GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@example.com", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@example.com")}
	if err := p.printf(
		"An agent with the key of workspace %s, which goes from nothing to a live address\n", w.Slug,
	); err != nil {
		return err
	}
	return j.goOn(ctx, filepath.Join(dir, "shop"))
}

func (j *journey) goOn(ctx context.Context, checkout string) error {
	var project struct {
		CloneURL string `json:"clone_url"`
	}
	err := j.call(ctx, scene{"A private repository.", "projects.create", map[string]any{"name": "shop"}}, &project)
	if err != nil {
		return err
	}
	err = j.call(ctx, scene{
		"An app of it: its network, its deploy key on both sides and its address are made at once.",
		"apps.create",
		map[string]any{"project": "shop", "build": "dockerfile", "port": 3000},
	}, nil)
	if err != nil {
		return err
	}
	commit, err := j.push(ctx, project.CloneURL, checkout)
	if err != nil {
		return err
	}
	err = j.call(
		ctx, scene{"The push is the deploy. Is it live?", "deployments.wait", map[string]any{"deployment": commit}},
		nil,
	)
	if err != nil {
		return err
	}
	if err := j.said("three"); err != nil {
		return err
	}
	err = j.call(ctx, scene{
		"A fourth call for a database. Its address goes into the app's variables, and nobody sees the password.",
		"databases.create",
		map[string]any{"name": "shop", "engine": "postgresql", "attach_to": "shop"},
	}, nil)
	if err != nil {
		return err
	}
	return j.said("four")
}

// call makes one call, and reads its answer into out if that is not nil.
func (j *journey) call(ctx context.Context, s scene, out any) error {
	asked, answer, err := j.play(ctx, j.bridge, s)
	if err != nil {
		return err
	}
	j.spent += len(asked) + len(answer)
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// said prints how many tokens the calls so far cost a model: a token is about four bytes.
func (j *journey) said(calls string) error {
	return j.printf("\nThe %s calls and their answers are about %d tokens.\n", calls, (j.spent+3)/4)
}

// push writes a small program and pushes it, as a person would at a terminal. It returns
// the commit.
func (j *journey) push(ctx context.Context, from, checkout string) (commit string, err error) {
	helper := "credential.helper=!" + cmp.Or(executable(), "vibn-mcp") + " git-credential"
	if err := j.printf("\n# Code, pushed. git asks vibn-mcp for the password, and nobody sees it.\n"); err != nil {
		return "", err
	}
	if _, err := j.git(ctx, ".", "-c", helper, "clone", "--quiet", from, checkout); err != nil {
		return "", err
	}
	for name, text := range map[string]string{
		"Dockerfile": "FROM golang:1.26\nCOPY . /src\nRUN cd /src && go build -o /shop .\nCMD [\"/shop\"]\n",
		"main.go": "package main\n\nimport \"net/http\"\n\nfunc main() { _ = http.ListenAndServe(\":3000\", " +
			"http.FileServer(http.Dir(\"/src\"))) }\n",
	} {
		if err := os.WriteFile(filepath.Join(checkout, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"add", "."},
		{"commit", "--quiet", "--message", "Open the shop"},
		{"-c", helper, "push", "--quiet", "origin", "main"},
	} {
		if _, err := j.git(ctx, checkout, args...); err != nil {
			return "", err
		}
	}
	return j.git(ctx, checkout, "rev-parse", "HEAD")
}

// git runs git, and prints the command line without the helper's option.
func (j *journey) git(ctx context.Context, dir string, args ...string) (string, error) {
	shown := args
	if args[0] == "-c" {
		shown = args[2:]
	}
	if err := j.printf(
		"$ git %s\n", strings.ReplaceAll(strings.Join(shown, " "), j.cfg.dataDir+string(filepath.Separator), ""),
	); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // our own words, and addresses of the demo
	cmd.Dir, cmd.Env = dir, j.env
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("git %s: %w: %s", shown[0], err, failed.Stderr)
	}
	if err != nil {
		return "", hinted{err, "the journey needs git"}
	}
	text := strings.TrimSpace(string(out))
	if text != "" {
		err = j.printf("%s\n", text)
	}
	return text, err
}
