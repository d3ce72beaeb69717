package gitea

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/secret"
)

// ErrNotBot says that another user has the bot's login name.
var ErrNotBot = errors.New("the user of the bot's name is not the bot")

// A BotAccount gives access to one bot's tokens, through the administrator's client.
type BotAccount struct {
	admin *Admin
	login string
	id    int64
}

// NewBotAccount returns the account of the bot that is recorded with this login name
// and id.
func NewBotAccount(admin *Admin, login string, id int64) BotAccount {
	return BotAccount{admin, login, id}
}

// Tokens returns a client for the bot's tokens. Using it sets a new password for the user
// of that name, and another user can come to have the name. So Tokens first checks that
// the user is the recorded bot, and returns [ErrNotBot] otherwise.
func (b BotAccount) Tokens(ctx context.Context) (*Tokens, error) {
	u, err := b.admin.User(ctx, b.login)
	if err != nil {
		return nil, err
	}
	if u.ID != b.id || b.id == 0 || u.IsAdmin {
		return nil, ErrNotBot
	}
	return b.admin.TokensOf(b.login), nil
}

// Proof returns a client with a token that was just made for the bot, to check whose
// token it is.
func (b BotAccount) Proof(made secret.Text) *Bot { return b.admin.Bot(made).Metered(Unmetered) }

// Login returns the bot's login name.
func (b BotAccount) Login() string { return b.login }

// Unmetered admits every request: Gitea has no limit that tenants share.
func Unmetered(context.Context, Operation) (func(), error) { return func() {}, nil }
