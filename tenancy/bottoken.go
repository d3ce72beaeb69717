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

// A BotAccount is the way to one bot's tokens, with the administrator's help.
type BotAccount struct {
	admin *gitea.Admin
	login string
	id    int64
}

// NewBotAccount returns the account of the bot that is recorded with this login name
// and id.
func NewBotAccount(admin *gitea.Admin, login string, id int64) BotAccount {
	return BotAccount{admin, login, id}
}

// Tokens returns the bot's tokens. The way there leads through a new password for the
// user of that name, so the user is proved to be the recorded bot first: a name can
// come to belong to another user. [ErrNotBot] if it has.
func (b BotAccount) Tokens(ctx context.Context) (*gitea.Tokens, error) {
	u, err := b.admin.User(ctx, b.login)
	if err != nil {
		return nil, err
	}
	if u.ID != b.id || b.id == 0 || u.IsAdmin {
		return nil, ErrNotBot
	}
	return b.admin.TokensOf(b.login), nil
}

// Mint makes a token of the bot and proves that it is the bot's before it is stored:
// older servers gave out tokens of whoever asked.
func (b BotAccount) Mint(ctx context.Context, name string) (gitea.Token, error) {
	tokens, err := b.Tokens(ctx)
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
	owner, err := b.admin.Bot(made.Secret).Metered(Unmetered).Owner(ctx)
	switch {
	case err == nil && !strings.EqualFold(owner, b.login):
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
