package provision

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// newPartError turns a failure into the error that the operator reads.
func newPartError(part, doing string, err error) *tenancy.PartError {
	if e, ok := errors.AsType[*tenancy.PartError](err); ok {
		return e
	}
	e := explain(doing, err)
	e.Part, e.Err = part, err
	if e.Again {
		e.Fix += "; it is tried again automatically"
	}
	return &e
}

// explain says in the operator's words why an upstream action failed. The caller fills in
// the part and the cause.
func explain(doing string, err error) tenancy.PartError {
	detail, ok := errors.AsType[*coolify.Error](err)
	if !ok {
		return tenancy.PartError{Why: "could not " + doing, Fix: "the log has the cause", Again: true}
	}
	server := upstreamServers[tenancy.ServerName(detail)]
	if why, fix := server.tokenFault(server.variable, err); why != "" {
		return tenancy.PartError{Why: why + ": could not " + doing, Fix: fix, Platform: true}
	}
	switch {
	case errors.Is(err, gitea.ErrRenamed):
		return tenancy.PartError{
			Why: "what was needed to " + doing + " has been renamed in " + server.name,
			Fix: "rename it back",
		}
	case errors.Is(err, gitea.ErrNotFound), errors.Is(err, gitea.ErrRouteMissing):
		return tenancy.PartError{
			Why: server.name + " has not what was needed to " + doing,
			Fix: "check that " + server.address + " is right and that nobody deletes what vibn-mcp creates; " +
				"then provision it again",
		}
	case errors.Is(err, gitea.ErrInvalid), errors.Is(err, gitea.ErrConflict):
		return tenancy.PartError{
			Why: server.name + " refused to " + doing,
			Fix: "the log has its message; fix the cause, then provision it again",
		}
	}
	why, fix := server.outage(detail)
	return tenancy.PartError{Why: why + ": could not " + doing, Fix: fix, Again: true, Platform: true}
}

// An upstreamServer is Coolify or Gitea, as the operator configured it here.
type upstreamServer struct {
	name     string
	address  string // environment variable of its root
	variable string // environment variable of its token
	renew    string // how to make a token with all needed rights
}

var upstreamServers = map[string]upstreamServer{
	"Gitea": {"Gitea", "GITEA_API_URL", "GITEA_API_TOKEN", giteaTokenFix + "; Gitea must allow basic authentication"},
	"Coolify": {
		"Coolify", "COOLIFY_URL", "COOLIFY_API_TOKEN",
		"make a token with read, write and deploy, of a user who is admin of the team, in Coolify under Keys & " +
			"Tokens, " +
			"and give it as COOLIFY_API_TOKEN",
	},
}

// tokenFault says what is wrong with a token, or with access to the API, and how the
// operator fixes it. Both are "" if the server refused for another reason or did not
// answer at all.
func (s upstreamServer) tokenFault(variable string, err error) (why, fix string) {
	switch {
	case errors.Is(err, gitea.ErrUnauthorized):
		return s.name + " does not accept " + variable, s.renew
	case errors.Is(err, coolify.ErrRole):
		return "the user of " + variable + " is not an admin of the team",
			"make the user an admin of the team in Coolify, or give the token of one as " + variable
	case errors.Is(err, gitea.ErrNotAdmin):
		return "the user of " + variable + " is not a site administrator", s.renew
	case errors.Is(err, coolify.ErrAPIOff):
		return "Coolify's API is switched off",
			"switch it on in Coolify under Settings, Advanced; COOLIFY_URL is that of this Coolify"
	case errors.Is(err, coolify.ErrNotAllowed):
		return "Coolify's API does not let in this machine's address",
			"add it to the allowed IPs in Coolify under Settings, Advanced; COOLIFY_URL is that of this Coolify"
	case errors.Is(err, coolify.ErrAbility):
		return variable + " lacks an ability", s.renew
	case errors.Is(err, gitea.ErrScope):
		if e, ok := errors.AsType[*gitea.ScopeError](err); ok {
			missing := wholeScopes(e.Missing)
			return variable + " lacks " + strings.Join(missing, ", "), addScopes(missing)
		}
		return variable + " lacks a scope", s.renew
	case errors.Is(err, gitea.ErrWebhooksOff):
		return webhooksOff, webhooksFix
	case errors.Is(err, gitea.ErrSSHOff):
		return sshOff, sshFix
	case errors.Is(err, gitea.ErrAuthMethod):
		return noBasicAuth, basicAuthFix
	case errors.Is(err, gitea.ErrForbidden):
		return s.name + " forbids this to " + variable, s.renew
	}
	return "", ""
}

// outage says how a server failed without refusing the request, and what to check.
func (s upstreamServer) outage(detail *coolify.Error) (why, fix string) {
	switch {
	case detail.Kind == nil: // the budget refused it, or the caller cancelled
		return "vibn-mcp did not ask " + s.name, "check whether other work uses up its requests at the time"
	case errors.Is(detail, coolify.ErrRateLimited):
		return s.name + " accepts no more requests for now", "wait a minute; \"vibn-mcp doctor\" shows its limit"
	case detail.Status == 0:
		return s.name + " does not answer", "see whether it is up, and " + s.address + " its root"
	case detail.Status/100 == 2:
		return s.name + " gave an unusable answer", "see whether " + s.address + " is its root, without a " +
			"proxy's page before it"
	}
	return fmt.Sprintf(
		"%s answers with the status %d", s.name, detail.Status,
	), "see whether it is up, and the proxy before it"
}
