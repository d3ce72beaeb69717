package gitea

import (
	"context"
	"maps"
)

// A Team is a team of an organisation. Gitea does not enforce unique names.
type Team struct {
	ID                  int64
	Name                string
	Permission          string            // owner or admin; other values vary with the version: use Units
	Units               map[string]string // for example "repo.code": "write"
	AllRepositories     bool
	CreatesRepositories bool
}

type wireTeam struct {
	ID                  number          `json:"id"`
	Name                text            `json:"name"`
	Permission          text            `json:"permission"`
	Units               map[string]text `json:"units_map"`
	AllRepositories     flag            `json:"includes_all_repositories"`
	CreatesRepositories flag            `json:"can_create_org_repo"`
}

func (w wireTeam) whole() bool { return w.ID > 0 && w.Name != "" }

func (w wireTeam) plain() Team {
	t := Team{
		ID: int64(w.ID), Name: string(w.Name), Permission: string(w.Permission), Units: map[string]string{},
		AllRepositories: bool(w.AllRepositories), CreatesRepositories: bool(w.CreatesRepositories),
	}
	for unit, permission := range w.Units {
		t.Units[unit] = string(permission)
	}
	return t
}

// Teams lists the teams of an organisation, Owners first.
//
//api:op GET /orgs/{org}/teams
func (c OrgClient) Teams(ctx context.Context) ([]Team, error) {
	return all[wireTeam](ctx, c.admin.client, newRequest("GET", "/orgs/{org}/teams", login(c.name)), nil)
}

// A TeamSpec describes the settings of a team.
type TeamSpec struct {
	Name string // letters, digits, dashes and dots
	// Units holds the team's rights, for example "repo.code": "write"; at least one.
	// Gitea accepts names without meaning.
	Units               map[string]string
	AllRepositories     bool
	CreatesRepositories bool
}

// wireTeamSpec always sends a permission: without it, a change does not apply
// includes_all_repositories.
type wireTeamSpec struct {
	Name                string            `json:"name"`
	Permission          string            `json:"permission"`
	Units               map[string]string `json:"units_map"`
	AllRepositories     bool              `json:"includes_all_repositories"`
	CreatesRepositories bool              `json:"can_create_org_repo"`
}

func (s TeamSpec) wire() wireTeamSpec {
	units := map[string]string{} // never null
	maps.Copy(units, s.Units)
	return wireTeamSpec{s.Name, "write", units, s.AllRepositories, s.CreatesRepositories}
}

// CreateTeam creates a team; [ErrInvalid] if one of that name exists.
//
//api:op POST /orgs/{org}/teams
func (c OrgClient) CreateTeam(ctx context.Context, s TeamSpec) (Team, error) {
	return one(ctx, c.admin.client, newRequest(
		"POST", "/orgs/{org}/teams", login(c.name),
	).with(s.wire()), func(w wireTeam) bool {
		return named(w.Name, s.Name)
	})
}

// UpdateTeam changes a team to the settings in s.
//
//api:op PATCH /teams/{id}
func (a *Admin) UpdateTeam(ctx context.Context, team int64, s TeamSpec) (Team, error) {
	return one(ctx, a.client, newRequest("PATCH", "/teams/{id}", id(team)).with(s.wire()), func(w wireTeam) bool {
		return int64(w.ID) == team && named(w.Name, s.Name)
	})
}

// TeamMembers lists the members of a team. A member may be an organisation.
//
//api:op GET /teams/{id}/members
func (a *Admin) TeamMembers(ctx context.Context, team int64) ([]User, error) {
	return all[wireUser](ctx, a.client, newRequest("GET", "/teams/{id}/members", id(team)), nil)
}

// AddTeamMember adds a user to a team. It does nothing if the user is a member.
//
//api:op PUT /teams/{id}/members/{username}
func (a *Admin) AddTeamMember(ctx context.Context, team int64, user string) error {
	return a.do(ctx, newRequest("PUT", "/teams/{id}/members/{username}", id(team), login(user)))
}

// RemoveTeamMember removes a user from a team. It does nothing if the user is not a
// member. [ErrUnavailable] (500) for the last owner.
//
//api:op DELETE /teams/{id}/members/{username}
func (a *Admin) RemoveTeamMember(ctx context.Context, team int64, user string) error {
	return a.do(ctx, newRequest("DELETE", "/teams/{id}/members/{username}", id(team), login(user)))
}
