package provision

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// foreignError says that a thing with a name of the platform's exists that the platform did
// not make.
func foreignError(part, what, name string) *tenancy.PartError {
	return &tenancy.PartError{
		Part: part, Why: fmt.Sprintf("%s %q exists on Gitea, and vibn-mcp did not create it", what, name),
		Fix: "find out who created it, then rename or delete it; vibn-mcp never takes it over",
	}
}

// ensureOrg makes the organisation exist and be private.
func (r *run) ensureOrg(ctx context.Context) error {
	o, _, err := once.Thing[gitea.Org]{
		Find:     func(ctx context.Context) ([]gitea.Org, error) { return ifThere(r.findOrg(ctx)) },
		Create:   r.createOrg,
		Recorded: func(o gitea.Org) bool { return o.ID == r.state.OrgID },
		Record:   r.recordOrg,
	}.Ensure(ctx)
	if err == nil && o.Visibility != "private" {
		_, err = r.gitea.Org(o.Name).Update(ctx, gitea.OrgUpdate{
			FullName: o.FullName, Description: o.Description, Website: o.Website, Location: o.Location,
			Visibility: "private",
		})
	}
	return err
}

// ifThere returns a thing as a list; an empty one if the thing was not found.
func ifThere[T any](thing T, err error) ([]T, error) {
	if errors.Is(err, gitea.ErrNotFound) {
		return nil, nil
	}
	return []T{thing}, err
}

// findOrg returns the organisation if it is the workspace's: by its recorded id, or else
// by the workspace's mark. [gitea.ErrNotFound] if it does not exist.
func (r *run) findOrg(ctx context.Context) (gitea.Org, error) {
	name := cmp.Or(r.state.Org, OrgName(r.state.Slug, r.state.Nonce))
	o, err := r.gitea.Org(name).Get(ctx)
	if errors.Is(err, gitea.ErrNotFound) && r.state.OrgID != 0 && r.state.DeletedAt == nil {
		return o, &tenancy.PartError{
			Part: tenancy.PartOrg,
			Why:  fmt.Sprintf("the organisation %q is gone from Gitea, with all its repositories", name),
			Fix:  "restore it from Gitea's backup, or delete the workspace",
		}
	}
	if err != nil {
		return o, err
	}
	switch {
	case r.state.OrgID == o.ID:
		return o, nil
	case r.state.OrgID != 0 || !tenancy.HasMark(o.Description, tenancy.MarkText(r.state.Nonce, "org")):
		return o, foreignError(tenancy.PartOrg, "an organisation", name)
	}
	return o, r.onlyOwner(ctx, o.Name)
}

func (r *run) recordOrg(ctx context.Context, o gitea.Org) error {
	return r.record(ctx, func(p *tenancy.Parts) { p.Org, p.OrgID = o.Name, o.ID })
}

// knownOrg is findOrg for steps that create nothing. It records an organisation that a
// crash left unrecorded.
func (r *run) knownOrg(ctx context.Context) (gitea.Org, error) {
	o, err := r.findOrg(ctx)
	if err == nil && o.ID != r.state.OrgID {
		err = r.recordOrg(ctx, o)
	}
	return o, err
}

// createOrg creates the organisation. Users and organisations share one namespace.
func (r *run) createOrg(ctx context.Context) error {
	name := OrgName(r.state.Slug, r.state.Nonce)
	_, failed := r.gitea.CreateOrg(
		ctx, gitea.NewOrg{Name: name, FullName: r.state.Name, Description: tenancy.MarkText(r.state.Nonce, "org")},
	)
	if failed == nil {
		return nil
	}
	if _, err := r.gitea.User(ctx, name); err == nil {
		return foreignError(tenancy.PartOrg, "a user", name)
	}
	return failed
}

// onlyOwner checks that the platform is the only owner of an organisation that is about
// to be recorded as the workspace's.
func (r *run) onlyOwner(ctx context.Context, org string) error {
	owners, err := r.owners(ctx, org)
	if err != nil {
		return err
	}
	self, err := r.gitea.Self(ctx)
	if err != nil {
		return err
	}
	members, err := r.gitea.TeamMembers(ctx, owners.ID)
	if err != nil {
		return err
	}
	if len(members) != 1 || members[0].ID != self.ID {
		return foreignError(tenancy.PartOrg, "an organisation with other owners", org)
	}
	return nil
}

func (r *run) owners(ctx context.Context, org string) (gitea.Team, error) {
	teams, err := r.gitea.Org(org).Teams(ctx)
	if err != nil {
		return gitea.Team{}, err
	}
	for _, t := range teams {
		if t.Permission == "owner" {
			return t, nil
		}
	}
	return gitea.Team{}, errors.New("the organisation has no team of owners")
}

// ensureBot makes the bot exist and forbids what it must not do. Gitea does not report some of
// these settings, so they are set each time.
func (r *run) ensureBot(ctx context.Context) error {
	u, _, err := once.Thing[gitea.User]{
		Find:     func(ctx context.Context) ([]gitea.User, error) { return ifThere(r.findBot(ctx)) },
		Create:   r.createBot,
		Recorded: func(u gitea.User) bool { return u.ID == r.state.BotID },
		Record:   r.recordBot,
	}.Ensure(ctx)
	if err != nil {
		return err
	}
	if u.ProhibitLogin { // it was suspended: no access until its tokens are checked
		if err := r.leaveTeam(ctx, u.Login); err != nil {
			return err
		}
	}
	return r.harden(ctx, u.Login, false)
}

func (r *run) harden(ctx context.Context, login string, prohibit bool) error {
	_, err := r.gitea.UpdateUser(ctx, login, gitea.UserUpdate{
		ProhibitLogin: &prohibit, Active: new(true), Admin: new(false), Restricted: new(true),
		Visibility:      new("private"),
		MaxRepoCreation: new(0), AllowCreateOrganization: new(false), AllowGitHook: new(false),
		AllowImportLocal: new(false), FullName: new(""), // others are shown it where the bot is a collaborator
	})
	return err
}

// findBot returns the bot if it is the workspace's. The API accepts the name of an
// organisation for that of a user, so findBot checks for both.
func (r *run) findBot(ctx context.Context) (gitea.User, error) {
	name := cmp.Or(r.state.Bot, BotName(r.state.Slug, r.state.Nonce))
	u, err := r.gitea.User(ctx, name)
	if errors.Is(err, gitea.ErrNotFound) && r.state.BotID != 0 && r.state.DeletedAt == nil {
		return u, &tenancy.PartError{
			Part: tenancy.PartBot, Why: fmt.Sprintf("the bot %q is gone from Gitea", name),
			Fix: "restore it from Gitea's backup, or delete the workspace",
		}
	}
	if err != nil {
		return u, err
	}
	if _, err := r.gitea.Org(name).Get(ctx); err == nil {
		return u, foreignError(tenancy.PartBot, "an organisation", name)
	} else if !errors.Is(err, gitea.ErrNotFound) {
		return u, err
	}
	switch {
	case u.IsAdmin:
		return u, &tenancy.PartError{
			Part: tenancy.PartBot, Why: fmt.Sprintf("the user %q is a site administrator", name),
			Fix: "find out who made it one; a bot must not be",
		}
	case r.state.BotID == u.ID:
		return u, nil
	case r.state.BotID != 0 || !strings.EqualFold(u.Email, MailOf(r.state.Nonce)):
		return u, foreignError(tenancy.PartBot, "a user", name)
	}
	keys, err := r.gitea.UserKeys(ctx, u.Login)
	if err != nil {
		return u, err
	}
	if len(keys) > 0 {
		return u, foreignError(tenancy.PartBot, "a user with SSH keys", name)
	}
	return u, nil
}

func (r *run) recordBot(ctx context.Context, u gitea.User) error {
	return r.record(ctx, func(p *tenancy.Parts) { p.Bot, p.BotID = u.Login, u.ID })
}

// knownBot is knownOrg for the bot.
func (r *run) knownBot(ctx context.Context) (gitea.User, error) {
	u, err := r.findBot(ctx)
	if err == nil && u.ID != r.state.BotID {
		err = r.recordBot(ctx, u)
	}
	return u, err
}

func (r *run) createBot(ctx context.Context) error {
	_, err := r.gitea.CreateUser(ctx, gitea.NewUser{
		Login: BotName(r.state.Slug, r.state.Nonce), Email: MailOf(r.state.Nonce),
		Password: newPassword(),
	})
	return err
}

// newPassword returns a random password that is not stored. Its prefix satisfies
// complexity rules.
func newPassword() secret.Text { return secret.NewText("aA0-" + rand.Text() + rand.Text()) }

// ensureTeam makes the team Writers exist and adds the bot.
func (r *run) ensureTeam(ctx context.Context) error {
	t, _, err := once.Thing[gitea.Team]{
		Find: r.findTeams,
		Create: func(ctx context.Context) error {
			_, err := r.gitea.Org(r.state.Org).CreateTeam(ctx, WritersTeam)
			return err
		},
		Recorded: func(t gitea.Team) bool { return t.ID == r.state.TeamID },
		Record: func(ctx context.Context, t gitea.Team) error {
			return r.record(ctx, func(p *tenancy.Parts) { p.TeamID = t.ID })
		},
	}.Ensure(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(t.Units, WritersTeam.Units) || !t.AllRepositories || t.CreatesRepositories {
		if _, err := r.gitea.UpdateTeam(ctx, t.ID, WritersTeam); err != nil {
			return err
		}
	}
	if err := r.outOfOwners(ctx); err != nil {
		return err
	}
	return r.gitea.AddTeamMember(ctx, t.ID, r.state.Bot)
}

// findTeams returns the oldest team of the name as a list; an empty one if there is none.
func (r *run) findTeams(ctx context.Context) ([]gitea.Team, error) {
	t, err := r.findTeam(ctx)
	if err != nil || t.ID == 0 {
		return nil, err
	}
	return []gitea.Team{t}, nil
}

// findTeam returns the team; a zero Team if there is none. Gitea allows two teams of one
// name: the older one counts.
func (r *run) findTeam(ctx context.Context) (gitea.Team, error) {
	teams, err := r.gitea.Org(r.state.Org).Teams(ctx)
	if err != nil {
		return gitea.Team{}, err
	}
	var found gitea.Team
	for _, t := range teams {
		if strings.EqualFold(t.Name, WritersTeam.Name) && (found.ID == 0 || t.ID < found.ID) {
			found = t
		}
	}
	return found, nil
}

// outOfOwners removes the bot from the owners. Deleting a bot that is the last owner
// would delete the organisation.
func (r *run) outOfOwners(ctx context.Context) error {
	owners, err := r.owners(ctx, r.state.Org)
	if err != nil {
		return err
	}
	members, err := r.gitea.TeamMembers(ctx, owners.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(members, func(u gitea.User) bool { return u.ID == r.state.BotID }) {
		return nil
	}
	return r.gitea.RemoveTeamMember(ctx, owners.ID, r.state.Bot)
}

// leaveTeam removes a user from the team, if the team exists.
func (r *run) leaveTeam(ctx context.Context, login string) error {
	if r.state.OrgID == 0 {
		return nil
	}
	t, err := r.findTeam(ctx)
	if err != nil || t.ID == 0 {
		return err
	}
	return r.gitea.RemoveTeamMember(ctx, t.ID, login)
}

// syncPeople sets the team's members to the bot and the workspace's people: those whose Gitea
// account the operator or a sign-in gave by its id. It removes all others.
func (r *run) syncPeople(ctx context.Context) error {
	members, err := r.gitea.TeamMembers(ctx, r.state.TeamID)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.ID != r.state.BotID && !slices.Contains(r.state.People, m.ID) {
			if err := r.gitea.RemoveTeamMember(ctx, r.state.TeamID, m.Login); err != nil {
				return err
			}
		}
	}
	for _, id := range r.state.People {
		if slices.ContainsFunc(members, func(m gitea.User) bool { return m.ID == id }) {
			continue
		}
		if err := r.person(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) person(ctx context.Context, id int64) error {
	u, err := r.gitea.UserByID(ctx, id)
	if errors.Is(err, gitea.ErrNotFound) {
		return &tenancy.PartError{
			Part: tenancy.PartPeople,
			Why:  fmt.Sprintf("Gitea has no user with the id %d, which is recorded for a member", id),
			Fix:  "correct the member's Gitea id, or remove the member",
		}
	}
	if err != nil {
		return err
	}
	return r.gitea.AddTeamMember(ctx, r.state.TeamID, u.Login)
}

// suspend ends every access: the bot may not sign in, so none of its tokens works; the
// bot and the people leave the team, and the keys' tokens end.
func (r *run) suspend(ctx context.Context) error {
	if r.gitea == nil {
		return nil
	}
	for _, s := range []step{
		{tenancy.PartBot, "suspend the bot", r.shutOut},
		{tenancy.PartPeople, "remove the people from the team", r.emptyTeam},
		{tenancy.PartToken, "end the bot's tokens", r.endTokens},
		{tenancy.PartHook, "delete the webhooks", r.endHook},
		{tenancy.PartRepositories, "reconcile the repositories", r.reconcile},
	} {
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) shutOut(ctx context.Context) error {
	u, err := r.knownBot(ctx)
	if errors.Is(err, gitea.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.harden(ctx, u.Login, true)
}

func (r *run) emptyTeam(ctx context.Context) error {
	if _, err := r.knownOrg(ctx); errors.Is(err, gitea.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	t, err := r.findTeam(ctx)
	if err != nil || t.ID == 0 {
		return err
	}
	members, err := r.gitea.TeamMembers(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := r.gitea.RemoveTeamMember(ctx, t.ID, m.Login); err != nil {
			return err
		}
	}
	return nil
}
