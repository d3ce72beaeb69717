package tenancy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// ProjectName returns the name of a workspace's project on Coolify.
func ProjectName(slug string) string { return "vibn-ws-" + slug }

// OrgName returns the name of a workspace's organisation on Gitea.
func OrgName(slug string) string { return "vibn-" + slug }

// BotName returns the login name of a workspace's bot on Gitea. A slug has at most
// [MaxSlug] characters, so the name fits into the 40 that Gitea allows.
func BotName(slug string) string { return "vibn-bot-" + slug }

// WritersTeam is the team that the bot and the workspace's people are in.
var WritersTeam = gitea.TeamSpec{
	Name: "Writers", AllRepositories: true,
	Units: map[string]string{"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write"},
}

// Mark returns 32 hexadecimal digits that prove that a thing upstream is the one that we made for a workspace. It
// is derived from the workspace's nonce, one for each kind of thing, so that who
// sees one of them cannot make another.
func Mark(nonce, kind string) string {
	h := hmac.New(sha256.New, []byte(nonce))
	h.Write([]byte(kind))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// MarkText is the text that stands in a description. Coolify takes no colon there.
func MarkText(nonce, kind string) string { return "vibn-" + Mark(nonce, kind) }

// HasMark reports whether a text has the mark as a word of its own.
func HasMark(text, mark string) bool { return slices.Contains(strings.Fields(text), mark) }

// MailOf is the bot's address: nobody's, and known to Gitea's administrators only.
func MailOf(nonce string) string { return "bot+" + Mark(nonce, "bot") + "@vibn.invalid" }

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

// HookPath is where the webhook of a workspace posts to, below the public URL,
// before the workspace's slug.
const HookPath = "hooks/gitea"

// DatabaseURLPlace is where the address of a database, with its password, is
// sealed.
func DatabaseURLPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_databases", Column: "url_encrypted", Row: id}
}

// The parts of a workspace, as a [PartError] names them.
const (
	PartHost         = "host" // what everything stands on; see the package provision
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
	Err      error `json:"-"` // cause, for the log
}

// Error returns the sentence and the cause.
func (e *PartError) Error() string {
	if e.Err == nil {
		return e.Part + ": " + e.Why
	}
	return e.Part + ": " + e.Why + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *PartError) Unwrap() error { return e.Err }

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

// Names names the parts, for a text that many may read.
func (l PartErrors) Names() string {
	var names []string
	for _, e := range l {
		names = append(names, e.Part)
	}
	return strings.Join(names, ", ")
}

// RandomHex is 128 random bits.
func RandomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails; see crypto/rand
	return hex.EncodeToString(b[:])
}
