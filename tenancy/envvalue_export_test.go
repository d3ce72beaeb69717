package tenancy

import (
	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// StoredEnv is storedEnv for the tests, of a literal value; ok says that it was not
// refused.
func StoredEnv(value string, buildTime bool) (stored string, ok bool) {
	w := coolify.EnvUpdate{Value: secret.NewText(value), Literal: true, BuildTime: buildTime}
	stored, why, _ := storedEnv(w)
	return stored, why == ""
}
