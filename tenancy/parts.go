package tenancy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/secret"
)

// ProjectName returns the name of a workspace's project on Coolify.
func ProjectName(slug string) string { return "vibn-ws-" + slug }

// Mark returns 32 hexadecimal digits that prove that vibn-mcp made an upstream thing for
// a workspace. They are derived from the workspace's nonce and the kind of thing, so that
// a reader of one mark cannot make another.
func Mark(nonce, kind string) string {
	h := hmac.New(sha256.New, []byte(nonce))
	h.Write([]byte(kind))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// MarkText returns the mark as a description holds it. Coolify allows no colon there.
func MarkText(nonce, kind string) string { return "vibn-" + Mark(nonce, kind) }

// HasMark reports whether a text has the mark as a word of its own.
func HasMark(text, mark string) bool { return slices.Contains(strings.Fields(text), mark) }

// TokenPlace returns where the workspace's own token is sealed.
func TokenPlace(workspaceID string) secret.Place {
	return secret.Place{Table: "vibn_workspaces", Column: "gitea_bot_token_encrypted", Row: workspaceID}
}

// BotTokenPlace returns where the token of a key is sealed.
func BotTokenPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_bot_tokens", Column: "sealed", Row: id}
}

// HookPlace returns where the secret of a workspace's webhook is sealed.
func HookPlace(workspaceID string) secret.Place {
	return secret.Place{Table: "vibn_workspaces", Column: "gitea_hook_secret_encrypted", Row: workspaceID}
}

// HookPath is the path, below the public URL and before the workspace's slug, to which
// Gitea posts a workspace's webhook.
const HookPath = "hooks/gitea"

// DatabaseURLPlace returns where the address of a database, with its password, is sealed.
func DatabaseURLPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_databases", Column: "url_encrypted", Row: id}
}

// The parts of a workspace, as a [PartError] names them.
const (
	PartHost         = "host" // what all other parts depend on; see package provision
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

// A PartError says why a part of a workspace is not in order. It is for the
// operator: it may name things that are not the workspace's.
type PartError struct {
	Part  string `json:"part"`
	Why   string `json:"why"`             // one sentence
	Fix   string `json:"fix"`             // what the operator does about it
	Again bool   `json:"again,omitempty"` // vibn-mcp retries without the operator
	// Platform says that Coolify, Gitea or a token of the platform's is at fault, and not
	// the part. Only the operator may read its text.
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

// PartErrors lists what is wrong with a workspace's parts. [Workspace].ProvisionError
// keeps it as JSON.
type PartErrors []PartError

// ParsePartErrors decodes what [Workspace].ProvisionError holds. A text that vibn-mcp did
// not write, as a platform may have left, becomes one error without a part.
func ParsePartErrors(s string) PartErrors {
	if s == "" {
		return nil
	}
	var list PartErrors
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return PartErrors{{Why: s, Fix: "provision it again"}}
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

// Names lists the parts, separated by commas, for a text that tenants may read too.
func (l PartErrors) Names() string {
	var names []string
	for _, e := range l {
		names = append(names, e.Part)
	}
	return strings.Join(names, ", ")
}

// RandomHex returns 128 random bits as 32 hexadecimal digits.
func RandomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails; see crypto/rand
	return hex.EncodeToString(b[:])
}
