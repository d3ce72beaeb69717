package repository

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// GitCredentials hold what git needs to reach the workspace's repositories.
type GitCredentials struct {
	Server   string      // root URL of Gitea, as clients reach it
	Username string      // login of the workspace's bot
	Token    secret.Text // zero unless the caller asked to reveal it
}

// Helper returns the sh line that makes git ask vibn-mcp for credentials, for this server
// only. The line may be run again. It appends two helpers to git's settings. The first is
// empty and makes git ignore helpers configured earlier: those would receive the token,
// keep it, and serve it after a rotation.
func (c GitCredentials) Helper() string {
	key := "'credential." + strings.ReplaceAll(c.Server, "'", `'\''`) + ".helper'"
	const config = "git config --global "
	return config + "--unset-all " + key + " || true; " +
		config + "--add " + key + " '' && " +
		config + "--add " + key + " '!vibn-mcp git-credential'"
}

// cloneURL returns the address of a repository of the organisation, without credentials.
func cloneURL(w tenancy.Workspace, root, repository string) string {
	return strings.TrimRight(root, "/") + "/" + w.GiteaOrg + "/" + repository + ".git"
}

// errNoToken says that a job is about to create or replace the workspace's own token.
var errNoToken = &tenancy.Error{
	Code: tenancy.Unavailable, Msg: "the workspace's Gitea token is being created or replaced",
	Hint:      "try again in a minute; if it lasts, the operator can see why with \"vibn-mcp workspace show\"",
	Retryable: true, RetryAfter: 15 * time.Second,
}

// Credentials returns how git reaches the workspace's repositories. With reveal it
// includes a token. Each key and each person gets a token of their own, which is created
// on first use, and ends with the key, or with the membership, the role, or all sessions
// of the person, who needs a recent sign-in to see it.
func Credentials(ctx context.Context, s *tenancy.Scope, reveal bool) (GitCredentials, error) {
	if err := s.Require(tenancy.Git); err != nil {
		return GitCredentials{}, err
	}
	if err := inside(s).GiteaReady(); err != nil {
		return GitCredentials{}, err
	}
	c := GitCredentials{Server: inside(s).GiteaURL(), Username: inside(s).Workspace().GiteaBot}
	if !reveal {
		return c, nil
	}
	if err := inside(s).SignedIn(); err != nil {
		return GitCredentials{}, err
	}
	h, err := holderOf(s)
	if err != nil {
		return GitCredentials{}, err
	}
	if c.Token, err = ownToken(ctx, s, h); err != nil {
		return GitCredentials{}, err
	}
	if err := s.Prove(ctx); err != nil { // the call took a while, and a token outlives it
		return GitCredentials{}, err
	}
	return c, nil
}

// CloneURL returns the address of a repository by its name, without credentials.
func CloneURL(s *tenancy.Scope, repository string) string {
	return cloneURL(inside(s).Workspace(), inside(s).GiteaURL(), repository)
}

// openToken opens the workspace's own token, which is for this server's own use and shown
// to nobody. A token that is being replaced still opens. A token that a platform set up
// before the workspace was adopted does not.
func openToken(s *tenancy.Scope, p tenancy.Provision) (secret.Text, error) {
	if p.TokenSealed == "" {
		return secret.Text{}, errNoToken
	}
	t, err := inside(s).Box().Open(p.TokenSealed, tenancy.TokenPlace(p.ID))
	if err != nil && p.TokenID == 0 {
		return secret.Text{}, errNoToken
	}
	if err != nil {
		return secret.Text{}, UnsealError(err)
	}
	return t, nil
}

// openBot returns a client that uses the workspace's own token and counts against the
// workspace's budget. It also returns the sealed token.
func openBot(ctx context.Context, s *tenancy.Scope) (bot *gitea.Bot, sealed string, err error) {
	p, err := db(s).Provision(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, "", tenancy.StoreError("read the workspace's token", err)
	}
	token, err := openToken(s, p)
	if err != nil {
		return nil, "", err
	}
	return inside(s).WithToken(token), p.TokenSealed, nil
}

// botError converts the error of a request made with the workspace's token; sealed is
// the token used. If Gitea rejected a token that has since been replaced, it returns
// errNoToken, so that the caller retries.
func botError(ctx context.Context, s *tenancy.Scope, sealed, doing string, err error) error {
	if errors.Is(err, gitea.ErrUnauthorized) {
		now, stateErr := db(s).Provision(ctx, inside(s).Workspace().ID)
		if stateErr == nil && (now.TokenID == 0 || now.TokenSealed != sealed) {
			return errNoToken
		}
	}
	return tenancy.PlatformError(doing, err)
}

const (
	// mintTime is how long the creation of a token may take before another call takes it
	// over.
	mintTime = time.Minute
	// mintWait is how long a call waits for another call that creates the same token, and
	// mintLook is the poll interval.
	mintWait = 5 * time.Second
	mintLook = 200 * time.Millisecond
)

var errMinting = &tenancy.Error{
	Code: tenancy.Conflict, Msg: "another call is creating this token", Hint: "try again in a moment",
	Retryable: true, RetryAfter: 5 * time.Second,
}

// A holder is the key or the person that a token belongs to; one of the ids is empty.
type holder struct{ keyID, userID string }

// holderOf returns who acts. A job acts for nobody who could hold a token.
func holderOf(s *tenancy.Scope) (holder, error) {
	if keyID, ok := inside(s).KeyID(); ok {
		return holder{keyID: keyID}, nil
	}
	userID, err := inside(s).Person()
	return holder{userID: userID}, err
}

// ownToken returns the token of the key or person that acts, and creates it on first use.
// Before a token is created, its name is recorded: a token whose creation was lost is
// recognised by its name, and revoked.
func ownToken(ctx context.Context, s *tenancy.Scope, h holder) (secret.Text, error) {
	giveUp := time.NewTimer(mintWait)
	defer giveUp.Stop()
	for {
		t, err := ownTokenNow(ctx, s, h)
		if err != errMinting { //nolint:errorlint // this very value says so
			return t, err
		}
		look := time.NewTimer(mintLook)
		select {
		case <-look.C:
		case <-giveUp.C:
			look.Stop()
			return secret.Text{}, errMinting
		case <-ctx.Done():
			look.Stop()
			return secret.Text{}, tenancy.UpstreamError("make a token", ctx.Err())
		}
	}
}

func ownTokenNow(ctx context.Context, s *tenancy.Scope, h holder) (secret.Text, error) {
	row, err := botToken(ctx, s, h)
	switch {
	case errors.Is(err, tenancy.ErrNotFound):
		return createToken(ctx, s, h)
	case err != nil:
		return secret.Text{}, err
	case row.GiteaID == 0 && inside(s).Now().Sub(row.CreatedAt) < mintTime:
		return secret.Text{}, errMinting
	case row.GiteaID == 0:
		return remakeToken(ctx, s, row)
	}
	t, err := inside(s).Box().Open(row.Sealed, tenancy.BotTokenPlace(row.ID))
	if err != nil {
		return secret.Text{}, UnsealError(err)
	}
	alive, err := inside(s).WithToken(t).Alive(ctx)
	if err != nil {
		return secret.Text{}, tenancy.PlatformError("look at the token", err)
	}
	if alive {
		return t, nil
	}
	// A user deleted it in Gitea.
	if err := db(s).EndBotToken(ctx, row.WorkspaceID, row.ID, inside(s).Now()); err != nil &&
		!errors.Is(err, tenancy.ErrNotFound) {
		return secret.Text{}, tenancy.StoreError("end a token", err)
	}
	return createToken(ctx, s, h)
}

// UnsealError returns the error for a stored token that was sealed with a key that this
// process does not have.
func UnsealError(err error) *tenancy.Error {
	return &tenancy.Error{
		Code: tenancy.Unavailable, Msg: "the stored token cannot be opened",
		Hint: "only the platform's operator can fix this: set the key that sealed it in VIBN_SECRETS_KEY_OLD, or " +
			"\"vibn-mcp workspace rotate\"", Err: err,
	}
}

// botToken returns the live token of a key or person; [tenancy.ErrNotFound] if there is none.
func botToken(ctx context.Context, s *tenancy.Scope, h holder) (tenancy.BotToken, error) {
	rows, err := db(s).BotTokens(ctx, inside(s).Workspace().ID)
	if err != nil {
		return tenancy.BotToken{}, tenancy.StoreError("read the token", err)
	}
	for _, row := range rows {
		if (holder{row.KeyID, row.UserID}) == h {
			return row, nil
		}
	}
	return tenancy.BotToken{}, tenancy.ErrNotFound
}

// ended returns why who acts may hold no token any more.
func ended(ctx context.Context, s *tenancy.Scope) error {
	return cmp.Or(s.Prove(ctx), error(errEnded))
}

var errEnded = &tenancy.Error{
	Code: tenancy.Conflict, Msg: "this token was ended while it was made", Hint: "sign in again, then ask for it again",
}

func createToken(ctx context.Context, s *tenancy.Scope, h holder) (secret.Text, error) {
	row := tenancy.BotToken{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, KeyID: h.keyID, UserID: h.userID,
		Name: provision.NewTokenName(), CreatedAt: inside(s).Now(),
	}
	switch err := db(s).AddBotToken(ctx, row); {
	case errors.Is(err, tenancy.ErrConflict):
		return secret.Text{}, errMinting
	case errors.Is(err, tenancy.ErrNotFound):
		return secret.Text{}, ended(ctx, s)
	case err != nil:
		return secret.Text{}, tenancy.StoreError("write down a token", err)
	}
	return fillToken(ctx, s, row)
}

// remakeToken creates a token again that an earlier call started and did not finish.
func remakeToken(ctx context.Context, s *tenancy.Scope, row tenancy.BotToken) (secret.Text, error) {
	name, now := provision.NewTokenName(), inside(s).Now()
	err := db(s).TakeOverBotToken(ctx, row, name, now)
	if errors.Is(err, tenancy.ErrConflict) {
		return secret.Text{}, errMinting
	}
	if err != nil {
		return secret.Text{}, tenancy.StoreError("take over a token", err)
	}
	row.Name, row.CreatedAt = name, now
	return fillToken(ctx, s, row)
}

// fillToken creates the token of a row. If the key or person lost the right to it
// meanwhile, it deletes the token.
func fillToken(ctx context.Context, s *tenancy.Scope, row tenancy.BotToken) (secret.Text, error) {
	p, err := db(s).Provision(ctx, row.WorkspaceID)
	if err != nil {
		return secret.Text{}, tenancy.StoreError("read the workspace's bot", err)
	}
	made, err := provision.MintToken(
		ctx, inside(s).BotAccount(p), row.Name, provision.BotScopes(inside(s).Premises()),
	)
	if err != nil {
		abandonToken(ctx, s, row)
		return secret.Text{}, tenancy.PlatformError("make a token", err)
	}
	row.GiteaID, row.LastEight = made.ID, made.LastEight
	if row.Sealed, err = inside(s).Box().Seal(made.Secret, tenancy.BotTokenPlace(row.ID)); err != nil {
		abandonToken(ctx, s, row)
		return secret.Text{}, err
	}
	err = db(s).FillBotToken(ctx, row)
	if errors.Is(err, tenancy.ErrNotFound) {
		if err := dropToken(ctx, s, p, made.ID); err != nil {
			inside(s).Log().WarnContext(
				ctx, "token that ended is not deleted yet", "workspace", inside(s).Workspace().Slug, "err",
				tenancy.ForLog(inside(s).Shown(), err),
			)
		}
		return secret.Text{}, ended(ctx, s)
	}
	if err != nil {
		abandonToken(ctx, s, row)
		return secret.Text{}, tenancy.StoreError("store a token", err)
	}
	return made.Secret, nil
}

// abandonToken ends a row whose token could not be created, so that the next call can start at
// once. If Gitea created the token after all, a job revokes it. If giveUp itself fails,
// the row counts as lost after [mintTime].
func abandonToken(ctx context.Context, s *tenancy.Scope, row tenancy.BotToken) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := db(s).EndBotToken(ctx, row.WorkspaceID, row.ID, inside(s).Now()); err != nil &&
		!errors.Is(err, tenancy.ErrNotFound) {
		inside(s).Log().WarnContext(
			ctx, "token that was not made is not given up", "workspace", inside(s).Workspace().Slug, "err", err,
		)
	}
}

// dropToken deletes a token of the bot that nobody holds.
func dropToken(ctx context.Context, s *tenancy.Scope, p tenancy.Provision, id int64) error {
	tokens, err := inside(s).BotAccount(p).Tokens(ctx)
	if err != nil {
		return err
	}
	if err := tokens.Delete(ctx, id); err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return err
	}
	return nil
}
