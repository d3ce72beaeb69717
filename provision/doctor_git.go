package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A sample is a repository of a workspace, as its bot sees it.
type sample struct {
	tenancy.Workspace
	owner, name string
	bot         *gitea.Bot
}

const noSample = "no workspace has a repository yet with which this could be tried"

// sampleOf returns the first workspace that has a bot and a repository; nil if none has.
func (e *examination) sampleOf(ctx context.Context) (*sample, error) {
	for _, w := range e.workspaces {
		if w.SuspendedAt != nil || w.Status != tenancy.Ready {
			continue
		}
		repository, bot, err := e.botOf(ctx, w)
		if err != nil {
			return nil, tenancy.StoreError("read a bot's token", err)
		}
		if bot != nil {
			owner, name, _ := strings.Cut(repository, "/")
			return &sample{w, owner, name, bot}, nil
		}
	}
	return nil, nil //nolint:nilnil // nil = there is none
}

// oldestGitea is the first version that looks at the scopes of every token that comes with
// git or a download.
var oldestGitea = []int{1, 26, 2}

// giteaVersion judges the version. Forgejo counts its own, and holds fixes back to older
// ones; its text names the Gitea that it once was.
func (e *examination) giteaVersion(ctx context.Context) Check {
	text, err := e.gitea.Version(ctx)
	if err != nil {
		return failed("tell its version", err)
	}
	if strings.Contains(text, "gitea-") {
		return ok("Forgejo %s", text)
	}
	version, known := versionOf(text)
	if !known {
		return ok("%s, which says nothing of its age", text)
	}
	if slices.Compare(version, oldestGitea) < 0 {
		return warn("Gitea "+text+" is too old: it lets a token of any scope clone private repositories of its user and "+
			"download them", "upgrade Gitea to 1.26.2 or newer")
	}
	return ok("Gitea %s", text)
}

// versionOf reads major, minor and patch of a release or of a build after one.
func versionOf(text string) (version []int, known bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "+")
	text, _, _ = strings.Cut(text, "-")
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		version = append(version, n)
	}
	return version, len(version) == len(oldestGitea)
}

// forksApart is how often a bot tries whether it may fork.
const forksApart = time.Hour

// forkTrial remembers what the last trial found.
type forkTrial struct {
	sync.Mutex
	until time.Time
	may   bool
}

// forks has a bot try to fork, in a way that makes nothing; see [gitea.Bot.MayFork].
func (e *examination) forks(ctx context.Context) Check {
	s, err := e.sampleOf(ctx)
	if err != nil {
		return failed("read a bot's token", err)
	}
	if s == nil {
		return skip(noSample)
	}
	may, err := e.mayFork(ctx, s)
	switch {
	case err != nil:
		return failed("say whether a bot may fork", err)
	case may:
		return warn("a bot may fork into its own space, where it is the administrator: what such a fork's webhooks and "+
			"runners do is a tenant's; forks are found within a minute and deleted",
			"set [repository] ALLOW_FORK_WITHOUT_MAXIMUM_LIMIT=false in Gitea's configuration")
	}
	return ok("a bot's are refused")
}

func (e *examination) mayFork(ctx context.Context, s *sample) (bool, error) {
	e.trial.Lock()
	defer e.trial.Unlock()
	if now := e.now(); now.Before(e.trial.until) {
		return e.trial.may, nil
	}
	may, err := s.bot.MayFork(ctx, s.owner, s.name)
	if err == nil {
		e.trial.may, e.trial.until = may, e.now().Add(forksApart)
	}
	return may, err
}

const (
	sshOff = "Gitea has SSH switched off, so Coolify cannot fetch the code of tenants' apps"
	sshFix = "set [server] DISABLE_SSH=false in Gitea's configuration, and let Coolify's servers reach its SSH port"

	webhooksOff = "Gitea has its webhooks switched off, so a push is found only by the look that comes once a minute"
	webhooksFix = "set [security] DISABLE_WEBHOOKS=false in Gitea's configuration"
)

func (e *examination) ssh(ctx context.Context) Check {
	s, err := e.sampleOf(ctx)
	if err != nil {
		return failed("read a bot's token", err)
	}
	if s == nil {
		return skip(noSample)
	}
	works, err := e.gitea.Repo(s.owner, s.name).SSHWorks(ctx)
	switch {
	case errors.Is(err, gitea.ErrNotFound), errors.Is(err, gitea.ErrScope): // other checks say so
		return skip("Gitea does not let the repository of " + s.Slug + " be looked at")
	case err != nil:
		return failed("say whether it takes deploy keys", err)
	case !works:
		return fail(sshOff, sshFix)
	}
	return ok("Gitea takes deploy keys")
}

// adminShown warns of an administrator's e-mail address among those to whom an issue may be
// given: each user of a repository is shown them.
func (e *examination) adminShown(ctx context.Context) Check {
	self, err := e.gitea.Self(ctx)
	if err != nil {
		return failed("tell whose the token is", err)
	}
	s, err := e.sampleOf(ctx)
	if err != nil {
		return failed("read a bot's token", err)
	}
	if s == nil {
		return skip(noSample)
	}
	users, err := s.bot.Assignees(ctx, s.owner, s.name)
	if err != nil {
		return failed("say who may be given an issue", err)
	}
	i := slices.IndexFunc(users, func(u gitea.User) bool { return u.ID == self.ID })
	if i < 0 {
		return ok("tenants are shown no administrator")
	}
	if shown := users[i].Email; shown != "" && !strings.Contains(shown, "@noreply.") {
		return warn(fmt.Sprintf("tenants are shown the login and the e-mail address of the site administrator %s",
			self.Login),
			"give GITEA_API_TOKEN of an account of its own, whose name and address say nothing of a person, and have it hide "+
				"its address: Gitea, Settings, Account, Hide Email Address")
	}
	return ok("tenants are shown the login of the site administrator %s, and no address", self.Login)
}

// deliveries tells of webhooks whose deliveries do not come, or are not signed as they should
// be. Gitea itself tells neither.
func (e *examination) deliveries(ctx context.Context) Check {
	var missed, refused []string
	for _, w := range e.workspaces {
		state, err := e.store.Provision(ctx, w.ID)
		if err != nil {
			return failed("read the deliveries", tenancy.StoreError("read the deliveries", err))
		}
		d := state.Deliveries
		if isAfter(d.Refused, d.Taken) {
			refused = append(refused, w.Slug)
		}
		if isAfter(d.Missed, d.Taken) {
			missed = append(missed, w.Slug)
		}
	}
	switch {
	case len(refused) > 0:
		return warn("the last delivery to the webhook was not signed as it should be, of "+firstNames(refused),
			"if pushes of theirs are slow to be deployed, \"vibn-mcp workspace rotate SLUG\" makes a new webhook; otherwise "+
				"somebody else posts there")
	case len(missed) > 0:
		return warn("the last push was found by the look that comes once a minute, as no delivery told of it, of "+
			firstNames(missed), "see whether Gitea reaches VIBN_PUBLIC_URL: its log names refused deliveries, and "+
			"ALLOWED_HOST_LIST may keep them back")
	}
	return ok("none was missed or refused")
}

// isAfter reports whether a came after b; nil came never.
func isAfter(a, b *time.Time) bool { return a != nil && (b == nil || a.After(*b)) }
