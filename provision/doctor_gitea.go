package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func (e *examination) giteaLooks() []look {
	if e.gitea == nil {
		return []look{{"gitea", nil, func(context.Context) Check {
			return skip("GITEA_API_URL is not set: workspaces have no repositories")
		}}}
	}
	answering, asAdmin := []need{needGitea}, []need{needGitea, needGiteaToken}
	withBots := []need{needGitea, needGiteaToken, needDatabase}
	return []look{
		{"gitea", nil, e.giteaAnswers},
		{"gitea-token", answering, e.giteaToken},
		{"gitea-basic-auth", answering, e.basicAuth},
		{"gitea-pages", asAdmin, e.pages},
		{RiskInstanceRunners, asAdmin, e.dangerCheck(RiskInstanceRunners, (*doctor).runners)},
		{RiskOpenRegistration, answering, e.dangerCheck(RiskOpenRegistration, (*doctor).registration)},
		{RiskProxyAuth, asAdmin, e.dangerCheck(RiskProxyAuth, (*doctor).proxyAuth)},
		{"gitea-sign-in", answering, e.signIn},
		{"gitea-users-page", asAdmin, e.usersPage},
		{"gitea-webhooks", nil, e.webhooks},
		{"gitea-deliveries", []need{needDatabase}, e.deliveries},
		{"gitea-version", asAdmin, e.giteaVersion},
		{"gitea-ssh", withBots, e.ssh},
		{"gitea-bots", withBots, e.bots},
		{"gitea-forks", append(withBots, needBot), e.forks},
		{"gitea-administrator", append(withBots, needBot), e.adminShown},
	}
}

func (e *examination) giteaAnswers(ctx context.Context) Check {
	if err := e.gitea.Health(ctx); err != nil {
		e.without[needGitea] = "Gitea does not answer"
		why := "Gitea's health check fails"
		if detail, ok := errors.AsType[*gitea.Error](err); ok && detail.Status == 0 {
			why = "Gitea does not answer"
		}
		return fail(why+": "+err.Error(), "check that GITEA_API_URL is Gitea's root and Gitea is up")
	}
	return ok("answers, and its health check passes")
}

// GiteaTokenScopes returns the scopes that GITEA_API_TOKEN needs, and no more.
func GiteaTokenScopes() []string {
	return []string{"write:admin", "write:organization", "write:repository", "write:package", "read:user"}
}

const (
	makeGiteaToken = "make a token of a site administrator in Gitea under Settings, Applications, with "
	giteaTokenFix  = makeGiteaToken + "write:admin, write:organization, write:repository, write:package and " +
		"read:user, and give it as GITEA_API_TOKEN"
)

// wholeScopes turns the scopes that one request lacked into those that are needed in the
// end: who may not read has to be able to write too.
func wholeScopes(missing []string) []string {
	var whole []string
	for _, scope := range missing {
		if write := strings.Replace(scope, "read:", "write:", 1); slices.Contains(GiteaTokenScopes(), write) {
			scope = write
		}
		whole = append(whole, scope)
	}
	return whole
}

// addScopes says how the operator adds scopes: Gitea cannot change those of a token.
func addScopes(missing []string) string {
	return makeGiteaToken + strings.Join(missing, ", ") + " besides what this one has, and give it as GITEA_API_TOKEN"
}

// giteaToken finds out the token's scopes by trying them.
func (e *examination) giteaToken(ctx context.Context) Check {
	const name = "GITEA_API_TOKEN"
	self, err := e.gitea.Self(ctx)
	lacks := []string{}
	switch {
	case errors.Is(err, gitea.ErrScope):
		lacks = append(lacks, "read:user")
	case errors.Is(err, gitea.ErrUnauthorized):
		e.without[needGiteaToken] = "Gitea does not accept " + name
		return fail("Gitea does not accept "+name, giteaTokenFix)
	case err != nil:
		e.without[needGiteaToken] = "Gitea does not say whose " + name + " is"
		return failed("tell whose the token is", err)
	case !self.IsAdmin:
		e.without[needGiteaToken] = name + " is not a site administrator's"
		return fail(self.Login+", whose "+name+" is, is not a site administrator", giteaTokenFix)
	}
	for _, s := range []struct {
		scope string
		try   func(context.Context) error
	}{
		{"write:admin", e.gitea.MayWriteAdmin},
		{"write:organization", e.gitea.MayWriteOrganization},
		{"write:repository", e.gitea.MayWriteRepository},
		{"write:package", e.gitea.MayWritePackage},
	} {
		if err := s.try(ctx); errors.Is(err, gitea.ErrForbidden) {
			lacks = append(lacks, s.scope)
		} else if err != nil {
			return failed("tell whether the token has "+s.scope, err)
		}
	}
	if slices.Contains(lacks, "read:user") || slices.Contains(lacks, "write:admin") {
		e.without[needGiteaToken] = name + " lacks a scope to look at this"
	}
	if len(lacks) > 0 {
		return fail(name+" lacks "+strings.Join(lacks, ", "), addScopes(lacks))
	}
	version, err := e.gitea.Version(ctx)
	if err != nil {
		return failed("tell its version", err)
	}
	return ok("of the site administrator %s, with every scope that is needed, on Gitea %s", self.Login, version)
}

const (
	noBasicAuth  = "Gitea does not accept basic authentication, which is needed to create the bots' tokens"
	basicAuthFix = "set [service] ENABLE_BASIC_AUTHENTICATION=true in Gitea's configuration"
)

func (e *examination) basicAuth(ctx context.Context) Check {
	works, err := e.gitea.BasicAuthWorks(ctx)
	if err != nil {
		return failed("say whether it takes passwords", err)
	}
	if !works {
		return fail(noBasicAuth, basicAuthFix)
	}
	return ok("on")
}

// wantedPage is how many items the client asks for in a request.
const wantedPage = 50

func (e *examination) pages(ctx context.Context) Check {
	s, err := e.gitea.APISettings(ctx)
	if err != nil {
		return failed("tell its API's limits", err)
	}
	if s.MaxResponseItems < wantedPage {
		return warn(fmt.Sprintf(
			"Gitea returns only %d items of a list at once, so lists take more requests", s.MaxResponseItems,
		),
			fmt.Sprintf("set [api] MAX_RESPONSE_ITEMS=%d in Gitea's configuration", wantedPage))
	}
	return ok("%d items of a list in one answer", s.MaxResponseItems)
}

func (e *examination) signIn(ctx context.Context) Check {
	open, err := e.gitea.AnonymousAccess(ctx)
	if err != nil {
		return failed("say whether it asks for a sign-in", err)
	}
	if open {
		return warn("Gitea shows public repositories to everyone, and lets bots read and fork them",
			"set [service] REQUIRE_SIGNIN_VIEW=true in Gitea's configuration")
	}
	return ok("required")
}

func (e *examination) usersPage(ctx context.Context) Check {
	listed, err := e.gitea.UsersListed(ctx)
	if err != nil {
		return failed("search for users", err)
	}
	if listed {
		return warn("people who sign in to Gitea can search for other visible users",
			"set [service.explore] DISABLE_USERS_PAGE=true in Gitea's configuration")
	}
	return ok("off")
}

// webhooks says to which host Gitea's webhooks post. Gitea reports neither which hosts it
// may reach nor that it refused a delivery.
func (e *examination) webhooks(ctx context.Context) Check {
	for _, w := range e.workspaces[:min(len(e.workspaces), fewWorkspaces)] {
		if w.GiteaOrgID == 0 {
			continue
		}
		if _, err := e.gitea.Org(w.GiteaOrg).Hooks(ctx); errors.Is(err, gitea.ErrWebhooksOff) {
			return fail(webhooksOff, webhooksFix)
		}
	}
	if e.publicURL == nil {
		return warn(
			"VIBN_PUBLIC_URL is not set, so Gitea cannot notify this server of a push",
			"set VIBN_PUBLIC_URL",
		)
	}
	host := e.publicURL.Hostname()
	if isInternalHost(host) {
		return warn("Gitea's webhooks post to "+host+", a private address, which Gitea refuses unless it is told to "+
			"allow it: a push is then found by the look that comes once a minute",
			"set [webhook] ALLOWED_HOST_LIST="+host+" in Gitea's configuration, since 1.27 [security] ALLOWED_HOST_LIST="+
				host+" too, and name nothing wider: every port of what it names is open to webhooks; or give VIBN_PUBLIC_URL "+
				"a public name")
	}
	return ok("post to %s", host)
}

// isInternalHost reports whether a host belongs to this machine or to a private network, as far
// as its name shows.
func isInternalHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return !ip.IsGlobalUnicast() || ip.IsPrivate()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc(
		[]string{".localhost", ".local", ".internal", ".lan", ".home.arpa"},
		func(end string) bool { return strings.HasSuffix(host, end) },
	)
}

// bots says whether bots can work. What a bot has to try rests on that.
func (e *examination) bots(ctx context.Context) Check {
	c := e.tryBots(ctx)
	if c.State != CheckOK {
		e.without[needBot] = "no bot could be tried"
	}
	return c
}

// tryBots tries a bot's own token. Where two-factor authentication is enforced, bots cannot
// reach a repository through the API.
func (e *examination) tryBots(ctx context.Context) Check {
	tried := 0
	for _, w := range e.workspaces {
		if tried == fewWorkspaces {
			break
		}
		if w.SuspendedAt != nil || w.Status != tenancy.Ready {
			continue
		}
		repository, bot, err := e.botOf(ctx, w)
		if err != nil {
			return fail(
				"a bot's token cannot be read from the database: "+err.Error(),
				"check that DATABASE_URL is right and the database is up",
			)
		}
		if bot == nil {
			continue
		}
		tried++
		owner, name, _ := strings.Cut(repository, "/")
		_, err = bot.Repository(ctx, owner, name)
		switch {
		case err == nil:
			return ok("%s reads its repository", w.GiteaBot)
		case errors.Is(err, gitea.ErrUnauthorized), errors.Is(err, gitea.ErrForbidden):
			return fail(
				"the token of "+w.GiteaBot+" is not accepted by Gitea",
				"\"vibn-mcp workspace rotate "+w.Slug+"\" makes a new one",
			)
		case !errors.Is(err, gitea.ErrNotFound):
			return failed("show a bot its repository", err)
		}
		repos, err := e.gitea.Org(owner).Repositories(ctx)
		if err != nil {
			return failed("list a workspace's repositories", err)
		}
		if slices.ContainsFunc(
			repos, func(r gitea.Repository) bool { return strings.EqualFold(r.FullName, repository) },
		) {
			return fail(w.GiteaBot+" cannot see its own repository; enforced two-factor authentication causes this",
				twoFactorFix+"; if it is not set, \"vibn-mcp workspace provision "+w.Slug+"\" mends the bot's team")
		}
	}
	return e.shown(ctx)
}

const (
	twoFactorFix = "unset [security] TWO_FACTOR_AUTH in Gitea's configuration, as bots cannot have a second factor"
	noBotTried   = "no workspace has a repository yet with which a bot could be tried"
)

// shown tries the administrator where there is no bot to be tried: where two-factor
// authentication is enforced, whoever has no second factor is shown no repository at all.
func (e *examination) shown(ctx context.Context) Check {
	repos, err := e.gitea.Newest(ctx)
	if err != nil {
		return failed("list the repositories", err)
	}
	if len(repos) == 0 {
		return skip(noBotTried)
	}
	_, err = e.gitea.Repo(repos[0].Owner, repos[0].Name).Get(ctx)
	if errors.Is(err, gitea.ErrNotFound) {
		return fail("Gitea lists a repository and does not show it to its administrator, as where two-factor "+
			"authentication is enforced: no bot could work", twoFactorFix)
	}
	return skip(noBotTried)
}

// botOf returns a repository of a workspace and a client with the workspace's own token;
// nil if the workspace lacks one of them.
func (e *examination) botOf(ctx context.Context, w tenancy.Workspace) (string, *gitea.Bot, error) {
	state, err := e.store.Provision(ctx, w.ID)
	if err != nil || state.TokenID == 0 {
		return "", nil, err
	}
	token, err := e.box.Open(state.TokenSealed, tenancy.TokenPlace(w.ID))
	if err != nil {
		return "", nil, nil //nolint:nilerr // the check of the secrets key reports this
	}
	projects, err := e.store.Projects(ctx, w.ID)
	if err != nil {
		return "", nil, err
	}
	for _, p := range projects {
		if p.RepositoryID != 0 { // also one without a first commit: a bot cannot make it in a hidden repository
			return cmp.Or(p.Repository, state.Org+"/"+p.Slug), e.gitea.Bot(token).Metered(gitea.Unmetered), nil
		}
	}
	return "", nil, nil
}
