package sidecar

import (
	"context"
	"html/template"
	"net/http"
	"strings"

	"github.com/vibnai/vibn-mcp/clients"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// An accessPage holds everything that connects an agent to the workspace.
type accessPage struct {
	Prompt   string
	OneLine  string
	Endpoint string
	Clients  []clientTab
	Cursor   template.URL // opens Cursor; it holds no key
	Git      *gitAccess   // nil = the workspace has no repositories, or the person may not push
	FirstKey bool         // no key is in force, and the person may make one
	Shown    *shownToken
	Failed   string // why the token was not shown
}

type clientTab struct {
	Name, Title, File, Example string
	First                      bool
}

type gitAccess struct {
	Server, Username, CloneURL, Helper string
}

type shownToken struct {
	Username, Token string
	Hide            int
}

func (v *visit) access() error { return v.showAccess(http.StatusOK, nil, "") }

func (v *visit) showAccess(status int, shown *shownToken, failed string) error {
	v.frame.Tab = "access"
	ctx, cancel := v.shortContext()
	defer cancel()
	setup, err := v.cfg.setup(ctx, v.scope)
	if err != nil {
		return err
	}
	root := v.cfg.PublicURL
	p := accessPage{
		Prompt: setup.Prompt, OneLine: clients.OneLine(root, setup.Slug), Endpoint: clients.Endpoint(root),
		Shown: shown, Failed: failed,
		Cursor: template.URL(clients.CursorLink(clients.Endpoint(root))), //nolint:gosec // made of the configuration alone
	}
	for i, c := range clients.All() {
		p.Clients = append(
			p.Clients, clientTab{c.Name, c.Title, c.File, strings.TrimSpace(c.Example(p.Endpoint)), i == 0},
		)
	}
	p.Git = v.git(v.r.Context())
	if p.FirstKey, err = v.needsKey(v.r.Context()); err != nil {
		return err
	}
	return v.show(status, "access.html", "AI access", p)
}

// git returns how git reaches the repositories, without a token.
func (v *visit) git(ctx context.Context) *gitAccess {
	c, err := repository.Credentials(ctx, v.scope, false)
	if err != nil {
		return nil // there are no repositories yet, or the person may not see them
	}
	return &gitAccess{c.Server, c.Username, repository.CloneURL(v.scope, "REPOSITORY"), c.Helper()}
}

// needsKey reports whether no key is in force and the person may make one.
func (v *visit) needsKey(ctx context.Context) (bool, error) {
	if !v.frame.Keys {
		return false, nil
	}
	page, err := people.Keys(ctx, v.scope, people.KeyQuery{State: people.KeysInForce, Limit: 1})
	return len(page.Keys) == 0, err
}

// oneLine returns the installer's shell line with a key in it. The key is a shell
// variable, so it is not in any program's arguments. The leading space keeps the line out
// of most shells' history.
func (v *visit) oneLine(key secret.Text) string {
	return " VIBN_API_KEY=" + key.Reveal() + "; " + clients.OneLine(v.cfg.PublicURL, v.scope.Slug())
}

// revealToken shows the person a token of their own.
func (v *visit) revealToken() error {
	ctx := v.r.Context()
	var shown *shownToken
	err := act(ctx, v.scope, tenancy.Call{
		Tool: "gitea.credentials", Needs: tenancy.Git, Client: v.r.UserAgent(),
		Args: jsonOf(map[string]any{"reveal": true}),
	}, func(s *tenancy.Scope) error {
		c, err := repository.Credentials(ctx, s, true)
		shown = &shownToken{c.Username, c.Token.Reveal(), hideAfter}
		return err
	})
	if err != nil {
		p := v.scope.Public(err)
		return v.showAccess(p.Code.HTTPStatus(), nil, sentence(p.Msg)+" "+sentence(p.Hint))
	}
	v.hideLater()
	return v.showAccess(http.StatusOK, shown, "")
}
