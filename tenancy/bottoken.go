package tenancy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// NewTokenName is the name of a token to be made: never used before, so that of
// several attempts each can be told from the others.
func NewTokenName() string { return "vibn-" + RandomHex()[:16] }

// ErrNotBot says that somebody else has the bot's name.
var ErrNotBot = errors.New("the user of the bot's name is not the bot")

// TokensOf is the way to a bot's tokens. It leads through a new password for the
// user of that name, so the user is proved to be the recorded bot first: a name can
// come to belong to somebody else.
func TokensOf(ctx context.Context, admin *gitea.Admin, bot string, id int64) (*gitea.Tokens, error) {
	u, err := admin.User(ctx, bot)
	if err != nil {
		return nil, err
	}
	if u.ID != id || id == 0 || u.IsAdmin {
		return nil, ErrNotBot
	}
	return admin.TokensOf(bot), nil
}

// MintToken makes a token of a bot and proves that it is the bot's before anybody
// stores it: older servers gave out tokens of whoever asked.
func MintToken(ctx context.Context, admin *gitea.Admin, bot string, id int64, name string) (gitea.Token, error) {
	tokens, err := TokensOf(ctx, admin, bot, id)
	if err != nil {
		return gitea.Token{}, err
	}
	made, err := tokens.Create(ctx, name, botScopes)
	if err != nil {
		return gitea.Token{}, err
	}
	list, err := tokens.List(ctx)
	if err != nil {
		return gitea.Token{}, err
	}
	if !slices.ContainsFunc(list, func(t gitea.Token) bool {
		return t.ID == made.ID && t.Name == name && t.LastEight == lastEight(made.Secret)
	}) {
		return gitea.Token{}, errors.New("the token that Gitea made is not the bot's")
	}
	made.LastEight = lastEight(made.Secret)
	owner, err := admin.Bot(made.Secret).Metered(Unmetered).Owner(ctx)
	switch {
	case err == nil && !strings.EqualFold(owner, bot):
		return gitea.Token{}, errors.New("the token that Gitea made is another user's")
	case err != nil && !errors.Is(err, gitea.ErrNotFound) && !errors.Is(err, gitea.ErrRouteMissing):
		return gitea.Token{}, err
	}
	return made, nil
}

func lastEight(t secret.Text) string {
	s := t.Reveal()
	return s[max(0, len(s)-8):]
}
