package tenancy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// Names of what a workspace has upstream. A slug is at most [MaxSlug] characters,
// so the longest, the bot's, fits Gitea's 40.
func projectName(slug string) string { return "vibn-ws-" + slug }
func orgName(slug string) string     { return "vibn-" + slug }
func botName(slug string) string     { return "vibn-bot-" + slug }

// writers is the team that the bot and the workspace's people are in.
var writers = gitea.TeamSpec{
	Name: "Writers", AllRepositories: true,
	Units: map[string]string{"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write"},
}

// botScopes are all that a bot's token may do. With write:user it could make
// itself tokens that outlive this one.
var botScopes = []string{"write:repository", "write:issue"}

// A mark proves that a thing upstream is the one that we made for a workspace. It
// is derived from the workspace's nonce, one for each kind of thing, so that who
// sees one of them cannot make another.
func mark(nonce, kind string) string {
	h := hmac.New(sha256.New, []byte(nonce))
	h.Write([]byte(kind))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// marked is the text that stands in a description. Coolify takes no colon there.
func marked(nonce, kind string) string { return "vibn-" + mark(nonce, kind) }

// containsMark reports whether a text has the mark as a word of its own.
func containsMark(text, mark string) bool { return slices.Contains(strings.Fields(text), mark) }

// mailOf is the bot's address: nobody's, and known to Gitea's administrators only.
func mailOf(nonce string) string { return "bot+" + mark(nonce, "bot") + "@vibn.invalid" }

// TokenPlace is where the workspace's own token is sealed.
func TokenPlace(workspaceID string) secret.Place {
	return secret.Place{Table: "vibn_workspaces", Column: "gitea_bot_token_encrypted", Row: workspaceID}
}

// BotTokenPlace is where the token of a key is sealed.
func BotTokenPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_bot_tokens", Column: "sealed", Row: id}
}

// HookPlace is where the secret of a workspace's webhook is sealed.
func HookPlace(workspaceID string) secret.Place {
	return secret.Place{Table: "vibn_workspaces", Column: "gitea_hook_secret_encrypted", Row: workspaceID}
}

// DatabaseURLPlace is where the address of a database, with its password, is
// sealed.
func DatabaseURLPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_databases", Column: "url_encrypted", Row: id}
}

// The parts of a workspace, as a [PartError] names them.
const (
	PartHost         = "host" // what everything stands on; see [Provisioner.Examine]
	PartProject      = "coolify_project"
	PartNetwork      = "coolify_network"
	PartApps         = "coolify_apps"
	PartKeys         = "coolify_keys"
	PartDatabases    = "coolify_databases"
	PartOrg          = "gitea_org"
	PartBot          = "gitea_bot"
	PartToken        = "gitea_token"
	PartTeam         = "gitea_team"
	PartPeople       = "gitea_people"
	PartHook         = "gitea_hook"
	PartRepositories = "gitea_repositories"
)

// A PartError says why a part of a workspace is not as it should be. It is for the
// operator: it may name things that are not the workspace's.
type PartError struct {
	Part  string `json:"part"`
	Why   string `json:"why"`             // one sentence
	Fix   string `json:"fix"`             // what the operator does about it
	Again bool   `json:"again,omitempty"` // it is tried again without anybody's doing
	// Platform says that Coolify, Gitea or a token of the platform's is at fault, and
	// not the part: the words are the operator's alone.
	Platform bool  `json:"platform,omitempty"`
	err      error // cause, for the log
}

// Error returns the sentence and the cause.
func (e *PartError) Error() string {
	if e.err == nil {
		return e.Part + ": " + e.Why
	}
	return e.Part + ": " + e.Why + ": " + e.err.Error()
}

// Unwrap returns the cause.
func (e *PartError) Unwrap() error { return e.err }

// PartErrors are what is wrong with a workspace's parts, kept as JSON in
// [Workspace].ProvisionError.
type PartErrors []PartError

// ParsePartErrors reads what is kept. A text that is not ours, as a platform may
// have left, becomes one error about no part.
func ParsePartErrors(s string) PartErrors {
	if s == "" {
		return nil
	}
	var list PartErrors
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return PartErrors{{Why: s, Fix: "have it provisioned again"}}
	}
	return list
}

// String encodes the errors; "" if there are none.
func (l PartErrors) String() string {
	if len(l) == 0 {
		return ""
	}
	raw, err := json.Marshal(l)
	if err != nil { // strings and booleans only
		return err.Error()
	}
	return string(raw)
}

// parts names the parts, for a text that many may read.
func (l PartErrors) parts() string {
	var names []string
	for _, e := range l {
		names = append(names, e.Part)
	}
	return strings.Join(names, ", ")
}

// trouble turns a failure into what the operator reads.
func trouble(part, doing string, err error) *PartError {
	if e, ok := errors.AsType[*PartError](err); ok {
		return e
	}
	e := explain(doing, err)
	e.Part, e.err = part, err
	if e.Again {
		e.Fix += "; it is tried again by itself"
	}
	return &e
}

// explain says in the operator's words why something could not be done upstream. The
// part and the cause are left to the caller.
func explain(doing string, err error) PartError {
	detail, ok := errors.AsType[*coolify.Error](err)
	if !ok {
		return PartError{Why: "could not " + doing, Fix: "the log has the cause", Again: true}
	}
	server := upstreamServers[serverName(detail)]
	if why, fix := server.tokenFault(server.variable, err); why != "" {
		return PartError{Why: why + ": could not " + doing, Fix: fix, Platform: true}
	}
	switch {
	case errors.Is(err, gitea.ErrRenamed):
		return PartError{
			Why: "what was needed to " + doing + " has been renamed in " + server.name, Fix: "give it its old name back",
		}
	case errors.Is(err, gitea.ErrNotFound), errors.Is(err, gitea.ErrRouteMissing):
		return PartError{
			Why: server.name + " has not what was needed to " + doing,
			Fix: "see whether " + server.address + " is right and whether somebody deletes what vibn-mcp makes; " +
				"then have it provisioned again",
		}
	case errors.Is(err, gitea.ErrInvalid), errors.Is(err, gitea.ErrConflict):
		return PartError{
			Why: server.name + " refused to " + doing,
			Fix: "the log has its words; mend the cause, then have it provisioned again",
		}
	}
	why, fix := server.outage(detail)
	return PartError{Why: why + ": could not " + doing, Fix: fix, Again: true, Platform: true}
}

// An upstreamServer is Coolify or Gitea, as its operator configured it here.
type upstreamServer struct {
	name     string
	address  string // variable of its root
	variable string // variable of its token
	renew    string // how to make a token that is good for all that is needed
}

var upstreamServers = map[string]upstreamServer{
	"Gitea": {"Gitea", "GITEA_API_URL", "GITEA_API_TOKEN", giteaTokenFix + "; Gitea must allow basic authentication"},
	"Coolify": {
		"Coolify", "COOLIFY_URL", "COOLIFY_API_TOKEN",
		"make a token with read, write and deploy, of a user who is admin of the team, in Coolify under Keys & Tokens, " +
			"and give it as COOLIFY_API_TOKEN",
	},
}

// tokenFault says what is wrong with a token, or with who may use the API, and what
// the operator does about it. Both are "" if the server refused for another reason,
// or did not answer at all.
func (s upstreamServer) tokenFault(variable string, err error) (why, fix string) {
	switch {
	case errors.Is(err, gitea.ErrUnauthorized):
		return s.name + " does not accept " + variable, s.renew
	case errors.Is(err, coolify.ErrRole):
		return "the user of " + variable + " is no admin of the team",
			"make the user an admin of the team in Coolify, or give the token of one as " + variable
	case errors.Is(err, gitea.ErrNotAdmin):
		return "the user of " + variable + " is no site administrator", s.renew
	case errors.Is(err, coolify.ErrAPIOff):
		return "Coolify's API is switched off",
			"switch it on in Coolify under Settings, Advanced; COOLIFY_URL is that of this Coolify"
	case errors.Is(err, coolify.ErrNotAllowed):
		return "Coolify's API does not let in this machine's address",
			"add it to the allowed IPs in Coolify under Settings, Advanced; COOLIFY_URL is that of this Coolify"
	case errors.Is(err, coolify.ErrAbility):
		return variable + " lacks an ability", s.renew
	case errors.Is(err, gitea.ErrScope):
		return variable + " lacks a scope", s.renew
	case errors.Is(err, gitea.ErrAuthMethod):
		return noBasicAuth, basicAuthFix
	case errors.Is(err, gitea.ErrForbidden):
		return s.name + " forbids this to " + variable, s.renew
	}
	return "", ""
}

// outage says how a server failed that refused nothing, and what to look at.
func (s upstreamServer) outage(detail *coolify.Error) (why, fix string) {
	switch {
	case detail.Kind == nil: // our own budget refused it, or the caller gave up
		return "vibn-mcp did not ask " + s.name, "see whether it asks for much else at the time"
	case errors.Is(detail, coolify.ErrRateLimited):
		return s.name + " takes no more requests for now", "wait a minute; \"vibn-mcp doctor\" tells how many it takes"
	case detail.Status == 0:
		return s.name + " does not answer", "see whether it is up, and " + s.address + " its root"
	case detail.Status/100 == 2:
		return s.name + " gave an answer that cannot be used", "see whether " + s.address + " is its root, without a proxy's page before it"
	}
	return fmt.Sprintf("%s answers with the status %d", s.name, detail.Status), "see whether it is up, and the proxy before it"
}

// serverName is the server that a failure is about, for people.
func serverName(e *coolify.Error) string {
	if e != nil && e.Server == "gitea" {
		return "Gitea"
	}
	return "Coolify"
}
