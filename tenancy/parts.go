package tenancy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	err   error  // cause, for the log
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
	e := &PartError{Part: part, err: err}
	detail, ok := errors.AsType[*coolify.Error](err)
	if !ok {
		e.Why, e.Fix, e.Again = "could not "+doing, "it is tried again; the log has the cause", true
		return e
	}
	name := serverName(detail)
	needs := tokenNeeds[name]
	switch {
	case errors.Is(err, gitea.ErrUnauthorized):
		e.Why, e.Fix = name+" does not accept "+needs.variable, "make a new token and restart with it"
	case errors.Is(err, gitea.ErrScope):
		e.Why, e.Fix = needs.variable+" lacks a scope to "+doing, needs.fix
	case errors.Is(err, gitea.ErrForbidden):
		e.Why, e.Fix = name+" forbids the platform to "+doing, needs.fix
	case errors.Is(err, gitea.ErrRenamed):
		e.Why, e.Fix = "what was needed to "+doing+" has been renamed in "+name, "give it its old name back"
	case errors.Is(err, gitea.ErrNotFound), errors.Is(err, gitea.ErrRouteMissing):
		e.Why, e.Fix = name+" has not what was needed to "+doing, "see whether its address is right and whether somebody deletes what vibn-mcp makes; then have it provisioned again"
	case errors.Is(err, gitea.ErrInvalid), errors.Is(err, gitea.ErrConflict):
		e.Why, e.Fix = name+" refused to "+doing, "the log has its words; mend the cause, then have it provisioned again"
	default:
		e.Why, e.Fix, e.Again = name+" did not answer when it was to "+doing, "see whether it is up; it is tried again", true
	}
	return e
}

// tokenNeeds says for each server which variable has its token, and what the token
// must be good for.
var tokenNeeds = map[string]struct{ variable, fix string }{
	"Gitea": {
		"GITEA_API_TOKEN",
		"it must be a site administrator's, with write:admin, write:organization, write:repository, write:package and read:user (or all), and Gitea must allow basic authentication; \"vibn-mcp doctor\" tells which it is",
	},
	"Coolify": {"COOLIFY_API_TOKEN", "it needs read, write and deploy, of a user who is admin of the team"},
}

// serverName is the server that a failure is about, for people.
func serverName(e *coolify.Error) string {
	if e != nil && e.Server == "gitea" {
		return "Gitea"
	}
	return "Coolify"
}
