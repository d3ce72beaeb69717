package hosting

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Who sets variables often deploys right after. What the rows of variables were a moment
// ago, by Coolify's answers to the write, is then not read again. What is remembered are
// the rows: each deployment judges them by the app and the placement as they are now.

// forgetRows forgets the remembered rows, before variables are written or deleted.
func (a *App) forgetRows() (token uint64) { return inside(a.scope).EnvRows().Drop(a.rowsKey()) }

// rememberRows remembers the app's rows, unless another write has begun since token.
func (a *App) rememberRows(token uint64, rows []coolify.Env) {
	inside(a.scope).EnvRows().Put(a.rowsKey(), token, rows)
}

func (a *App) rowsKey() string { return inside(a.scope).Workspace().ID + "/" + a.UUID() }

// presentRows returns the app's rows: those that a write of the last seconds left, once, or
// those that Coolify has now.
func (a *App) presentRows(ctx context.Context) ([]coolify.Env, error) {
	if rows, ok := inside(a.scope).EnvRows().Take(a.rowsKey()); ok {
		return rows, nil
	}
	rows, err := a.app.Calls.Envs(ctx)
	if err != nil {
		return nil, tenancy.UpstreamError("read the app's variables", err)
	}
	return rows, nil
}
