package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// BotScopes returns all scopes of a bot's token. With write:user the token could make others
// that outlive it. Issues are the operator's choice: their links tell whether a private
// repository of a name exists, also another workspace's.
func BotScopes(p tenancy.Premises) []string {
	if p.Issues {
		return []string{"write:repository", scopeOfIssues}
	}
	return []string{"write:repository"}
}

const scopeOfIssues = "write:issue"

// NewTokenName returns a name for a new token. It is never used again, so that each of
// several attempts can be distinguished.
func NewTokenName() string { return "vibn-" + tenancy.RandomHex()[:16] }

// MintToken makes a token of a bot and proves that it is the bot's before it is stored:
// older Gitea servers returned a token of the user who asked.
func MintToken(
	ctx context.Context, bot gitea.BotAccount, name string, scopes []string,
) (gitea.Token, error) {
	tokens, err := bot.Tokens(ctx)
	if err != nil {
		return gitea.Token{}, err
	}
	made, err := tokens.Create(ctx, name, scopes)
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
	owner, err := bot.Proof(made.Secret).Owner(ctx)
	switch {
	case err == nil && !strings.EqualFold(owner, bot.Login()):
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

// ensureToken makes the workspace's own token exist: it keeps the recorded one if that is
// alive, and makes a new one otherwise.
func (r *run) ensureToken(ctx context.Context) error {
	alive, err := r.tokenAlive(ctx)
	if err != nil || alive {
		return err
	}
	made, err := MintToken(ctx, gitea.NewBotAccount(r.gitea, r.state.Bot, r.state.BotID), NewTokenName(),
		BotScopes(r.dangers.Premises))
	if err != nil {
		return err
	}
	sealed, err := r.box.Seal(made.Secret, tenancy.TokenPlace(r.state.ID))
	if err != nil {
		return err
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.TokenID, p.TokenSealed = made.ID, sealed })
}

func (r *run) tokenAlive(ctx context.Context) (bool, error) {
	if r.state.TokenID == 0 {
		return false, nil
	}
	bot, err := r.asBot()
	if err != nil {
		return false, err
	}
	return bot.Alive(ctx)
}

// asBot returns a client with the workspace's own token, which must be recorded.
func (r *run) asBot() (*gitea.Bot, error) {
	plain, err := r.box.Open(r.state.TokenSealed, tenancy.TokenPlace(r.state.ID))
	if err != nil { // another process may have a key that this one lacks: a new token would end the one in use
		return nil, &tenancy.PartError{
			Part: tenancy.PartToken, Why: "the bot's token does not open with VIBN_SECRETS_KEY",
			Fix: "give the key that sealed it in VIBN_SECRETS_KEY_OLD; if that is lost, \"vibn-mcp workspace rotate\" " +
				"makes new tokens",
		}
	}
	return r.gitea.Bot(plain).Metered(gitea.Unmetered), nil
}

// answerLate is the age at which the request that makes a token is known to have ended.
const answerLate = time.Minute

// SweepTokens calls queue for each workspace with tokens for [Provisioner.EndTokens].
func (p *Provisioner) SweepTokens(ctx context.Context, queue func(context.Context, string) error) error {
	if p.gitea == nil {
		return nil
	}
	now := p.now()
	ids, err := p.tokens.TokensDue(ctx, now, now.Add(-answerLate))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := queue(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// EndTokens deletes a workspace's tokens whose key or person lost the right to them. It
// asks nothing of Coolify, and may run beside [Provisioner.Provision], which deletes those
// of suspended and deleted workspaces. The error is a [*tenancy.PartError], or one of the
// database.
func (p *Provisioner) EndTokens(ctx context.Context, workspaceID string) error {
	now := p.now()
	if err := p.tokens.RevokeEndedTokens(ctx, workspaceID, now, now.Add(-begunLong)); err != nil {
		return err
	}
	ended, err := p.tokens.EndedTokens(ctx, workspaceID, now.Add(-answerLate))
	if err != nil || len(ended) == 0 {
		return err
	}
	state, err := p.store.Provision(ctx, workspaceID)
	if err != nil || p.gitea == nil || state.BotID == 0 || state.SuspendedAt != nil || state.DeletedAt != nil {
		return err
	}
	if err := p.deleteTokens(ctx, state, ended); err != nil {
		return newPartError(tenancy.PartToken, "end the bot's tokens", err)
	}
	return p.recordGone(ctx, ended)
}

func (p *Provisioner) deleteTokens(ctx context.Context, state tenancy.Provision, ended []tenancy.BotToken) error {
	tokens, err := gitea.NewBotAccount(p.gitea, state.Bot, state.BotID).Tokens(ctx)
	if err != nil {
		return err
	}
	list, err := tokens.List(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		if !records(ended, t) {
			continue
		}
		if err := tokens.Delete(ctx, t.ID); err != nil && !errors.Is(err, gitea.ErrNotFound) {
			return err
		}
	}
	return nil
}

// records reports whether a token of Gitea is one of these.
func records(recorded []tenancy.BotToken, t gitea.Token) bool {
	return slices.ContainsFunc(recorded, func(r tenancy.BotToken) bool { return r.GiteaID == t.ID || r.Name == t.Name })
}

func (p *Provisioner) recordGone(ctx context.Context, ended []tenancy.BotToken) error {
	for _, t := range ended {
		if err := p.tokens.TokenGone(ctx, t.WorkspaceID, t.ID, p.now()); err != nil {
			return tenancy.StoreError("read or write the record", err)
		}
	}
	return nil
}

// endTokens deletes all tokens of the bot that are not recorded: those of keys and people
// whose right ended, those whose record was dropped, and those that are unreadable because
// an answer was lost. A token is recorded before it is made. So a token that is in the list and not
// in the store read afterwards belongs to no key.
func (r *run) endTokens(ctx context.Context) error {
	now := r.now()
	if err := r.tokens.RevokeEndedTokens(ctx, r.state.ID, now, now.Add(-begunLong)); err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if r.state.BotID == 0 {
		return nil
	}
	tokens, err := gitea.NewBotAccount(r.gitea, r.state.Bot, r.state.BotID).Tokens(ctx)
	if errors.Is(err, gitea.ErrNotBot) {
		return foreignError(tenancy.PartBot, "a user", r.state.Bot)
	}
	if err != nil {
		return err
	}
	ended, err := r.tokens.EndedTokens(ctx, r.state.ID, now.Add(-answerLate))
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	list, err := tokens.List(ctx)
	if r.mayStay(err) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := r.tokens.BotTokens(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if err := r.replaceWide(ctx, list); err != nil {
		return err
	}
	for _, t := range list {
		if r.isWide(t) {
			kept = slices.DeleteFunc(kept, func(k tenancy.BotToken) bool { return k.GiteaID == t.ID })
		}
		if t.ID == r.state.TokenID || records(kept, t) {
			continue
		}
		err := tokens.Delete(ctx, t.ID)
		if r.mayStay(err) {
			return nil
		}
		if err != nil && !errors.Is(err, gitea.ErrNotFound) {
			return err
		}
	}
	return r.recordGone(ctx, ended)
}

// isWide reports whether a token may do more than a new one could.
func (r *run) isWide(t gitea.Token) bool {
	return r.state.SuspendedAt == nil && slices.Contains(t.Scopes, scopeOfIssues) && !r.dangers.Issues
}

// replaceWide makes a new token of the workspace's own if the recorded one is too wide. A
// key's ends without that: the key gets another at its next use.
func (r *run) replaceWide(ctx context.Context, list []gitea.Token) error {
	if !slices.ContainsFunc(list, func(t gitea.Token) bool { return t.ID == r.state.TokenID && r.isWide(t) }) {
		return nil
	}
	if err := r.record(ctx, func(p *tenancy.Parts) { p.TokenID = 0 }); err != nil {
		return err
	}
	return r.ensureToken(ctx)
}

// mayStay reports whether an error is Gitea's refusal to let the tokens of a shut-out bot
// be deleted: the platform's own token needs write:user for that, which nothing else does.
// Such tokens open nothing, and end with the next resume, before the bot is back in its
// team, or with the bot.
func (r *run) mayStay(err error) bool {
	return r.state.SuspendedAt != nil && (errors.Is(err, gitea.ErrForbidden) || errors.Is(err, gitea.ErrUnauthorized))
}
