package provision

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// OrgName returns the name of a new organisation on Gitea: the slug, and eight characters
// that nobody can guess. Gitea tells whether an organisation or a user of a name exists,
// to whoever asks.
func OrgName(slug, nonce string) string { return giteaName("vibn-", slug, nonce) }

// BotName returns the login name of a new bot on Gitea, as [OrgName] does. Who knows one of
// the two does not know the other. No slug begins with "bot-", so no organisation has the name of another's bot.
func BotName(slug, nonce string) string { return giteaName("vibn-bot-", slug, nonce) }

const (
	maxGiteaName = 40 // that Gitea allows
	nameEnding   = 8  // characters of base 32: 40 bits
)

var nameAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// giteaName ends in a part of a digest of the nonce, so that a run that follows a crash looks
// for the same name. A long slug is cut.
func giteaName(prefix, slug, nonce string) string {
	h := hmac.New(sha256.New, []byte(nonce))
	h.Write([]byte("name " + prefix))
	slug = slug[:min(len(slug), maxGiteaName-len(prefix)-1-nameEnding)]
	return prefix + strings.TrimRight(slug, "-") + "-" + nameAlphabet.EncodeToString(h.Sum(nil))[:nameEnding]
}

// WritersTeam is the team that the bot and the workspace's people are in.
var WritersTeam = gitea.TeamSpec{
	Name: "Writers", AllRepositories: true,
	Units: map[string]string{
		"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write",
	},
}

// MailOf returns the bot's e-mail address. It receives no mail, and only Gitea's
// administrators see it.
func MailOf(nonce string) string { return "bot+" + tenancy.Mark(nonce, "bot") + "@vibn.invalid" }
