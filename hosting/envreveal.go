package hosting

import (
	"context"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// RevealEnv returns the value of one variable, as it was set. Only people may call it,
// because what an agent reads stays in its context, and after a recent sign-in. It returns [Unavailable] if the
// server has no token that may read values.
func (a *App) RevealEnv(ctx context.Context, key string, preview bool) (secret.Text, error) {
	s := a.scope
	if err := s.Require(tenancy.Write); err != nil {
		return secret.Text{}, err
	}
	if err := s.RequirePerson(); err != nil {
		return secret.Text{}, err
	}
	if err := inside(s).SignedIn(); err != nil {
		return secret.Text{}, err
	}
	if a.app.Values == nil {
		return secret.Text{}, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "this server has no token that can read the values of variables",
			Hint: "the operator can set one with COOLIFY_SENSITIVE_TOKEN",
		}
	}
	values, err := a.app.Values.EnvValues(ctx)
	if err != nil {
		return secret.Text{}, tenancy.UpstreamError("read the variable", err)
	}
	if err := s.Prove(ctx); err != nil {
		return secret.Text{}, err
	}
	var found []secret.Text
	for _, v := range values {
		if v.Key != key || v.Preview != preview {
			continue
		}
		if v.ShownOnce {
			return secret.Text{}, &tenancy.Error{
				Code: tenancy.Forbidden, Msg: "this variable is locked in Coolify, which never shows its value",
				Hint: "set it again to change it",
			}
		}
		found = append(found, containerValue(v))
	}
	switch len(found) {
	case 0:
		return secret.Text{}, &tenancy.Error{
			Code: tenancy.NotFound, Msg: "the app has no such variable", Hint: "it may have been deleted meanwhile",
		}
	case 1:
		return found[0], nil
	}
	return secret.Text{}, &tenancy.Error{
		Code: tenancy.Conflict, Msg: "Coolify holds this variable more than once, so which one applies is undefined",
		Hint: "delete it and set it again",
	}
}
