package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A scene is one call of the demo's script.
type scene struct {
	says string // reason for the call
	tool string
	args map[string]any
}

// script is an agent's round of calls, with one attempt to reach another workspace.
func script(other demoWorkspace) []scene {
	web := map[string]any{"app": "web"}
	return []scene{
		{"Where am I, and what may I do?", "workspace.describe", nil},
		{"What runs here?", "apps.list", nil},
		{
			"A new code base: a private repository in the workspace's own organisation.", "projects.create",
			map[string]any{"name": "site", "description": "made by the agent"},
		},
		{"How does git reach it? Through a helper, so that no token is seen.", "gitea.credentials", nil},
		{
			"It needs a variable.", "envs.upsert",
			map[string]any{"app": "web", "set": map[string]string{"GREETING": "hello from the agent"}},
		},
		{"Its value is never shown again, only its name.", "envs.list", web},
		{"Deploy, and wait for the end.", "apps.deploy", map[string]any{"app": "web", "wait_seconds": 30}},
		{"What does it print?", "apps.logs", web},
		{"Who did what here?", "activity.list", nil},
		{"Another tenant's app: it is not there.", "apps.get", map[string]any{"app": other.Apps[0].UUID}},
	}
}

// perform plays the script as a client over HTTP, and prints each step.
func (p *program) perform(ctx context.Context, public *url.URL, workspaces []demoWorkspace) error {
	b, err := mcp.NewBridge(public, secret.NewText(workspaces[0].Key), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := p.printf(
		"An agent with the key of workspace %s, over MCP at %s\n", workspaces[0].Slug, public.JoinPath("mcp"),
	); err != nil {
		return err
	}
	for _, s := range script(workspaces[1]) {
		if _, _, err := p.play(ctx, b, s); err != nil {
			return err
		}
	}
	return nil
}

// play makes one call and prints it. It returns the arguments and the answer.
func (p *program) play(ctx context.Context, b *mcp.Bridge, s scene) (asked, answer json.RawMessage, err error) {
	if s.args == nil {
		s.args = map[string]any{}
	}
	if asked, err = json.Marshal(s.args); err != nil {
		return nil, nil, err
	}
	if err := p.printf("\n# %s\n> %s %s\n", s.says, s.tool, asked); err != nil {
		return nil, nil, err
	}
	answer, err = b.Call(ctx, s.tool, asked, "demo script", version())
	if tenancy.IsNotFound(err) {
		e := tenancy.Public(err)
		return asked, nil, p.printf("error: %s\nhint: %s\n", e.Msg, e.Hint)
	}
	if err != nil {
		return nil, nil, err
	}
	return asked, answer, p.showAnswer(answer)
}
