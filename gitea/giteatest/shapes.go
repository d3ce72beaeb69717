package giteatest

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// shapes hold the keys that never change in an answer, with ordinary values.
//
//go:embed shapes/*.json
var shapes embed.FS

// shape returns a fresh copy of shapes/name.json.
func shape(name string) object {
	raw, err := shapes.ReadFile("shapes/" + name + ".json")
	if err != nil {
		panic(err) // a name that this package got wrong
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		panic(err)
	}
	return o
}

// userJSON is a user or an organisation as doer, nil for nobody, sees it. Only
// admins and the user itself see the whole.
func (s *Server) userJSON(a, doer *account) object {
	return s.userObject(a, doer != nil, doer != nil && (doer.Admin || doer == a))
}

func (s *Server) userObject(a *account, signed, authed bool) object {
	digest := sha256.Sum256([]byte(strings.ToLower(a.Login)))
	o := object{
		"id": a.ID, "login": a.Login, "username": a.Login, "full_name": a.FullName, "email": s.placeholder(a),
		"avatar_url": s.root() + "/avatars/" + hex.EncodeToString(digest[:16]), "html_url": s.root() + "/" + a.Login,
		"created": stamp(a.created), "restricted": a.Restricted, "location": a.location, "website": a.website,
		"description": a.Description, "visibility": a.Visibility,
		"followers_count": 0, "following_count": 0, "starred_repos_count": 0,
		"login_name": "", "source_id": 0, "language": "", "is_admin": false, "last_login": never, "active": false,
		"prohibit_login": false,
	}
	if signed && (authed || !a.KeepEmailPrivate) {
		o["email"] = a.Email
	}
	if authed {
		o["login_name"], o["is_admin"], o["last_login"] = a.LoginName, a.Admin, unixZero
		o["active"], o["prohibit_login"] = !a.Inactive, a.ProhibitLogin
	}
	if !s.since(V126) {
		drop(o, "source_id", "html_url")
	}
	return o
}

// placeholder is the address that strangers see.
func (s *Server) placeholder(a *account) string {
	u, err := url.Parse(s.root())
	if err != nil {
		return ""
	}
	return strings.ToLower(a.Login) + "@noreply." + u.Hostname()
}

func orgJSON(s *Server, a *account) object {
	digest := sha256.Sum256([]byte(strings.ToLower(a.Login)))
	return object{
		"id": a.ID, "name": a.Login, "username": a.Login, "full_name": a.FullName, "email": a.Email,
		"avatar_url":  s.root() + "/avatars/" + hex.EncodeToString(digest[:16]),
		"description": a.Description, "website": a.website, "location": a.location, "visibility": a.Visibility,
		"repo_admin_change_team_access": a.repoAdminsSetTeams,
	}
}

// teamJSON is a team; most lists leave its organisation out.
func (s *Server) teamJSON(t *team, withOrg bool) object {
	units := map[string]string{}
	for unit, mode := range t.units {
		units[unit] = modeNames[mode]
	}
	var names []string // null without any, and in no order
	for unit := range maps.Keys(units) {
		names = append(names, unit)
	}
	o := object{
		"id": t.ID, "name": t.Name, "description": t.Description, "organization": nil,
		"includes_all_repositories": t.IncludesAllRepositories, "permission": s.permission(t),
		"units": names, "units_map": units, "can_create_org_repo": t.CanCreateOrgRepo,
	}
	if withOrg {
		o["organization"] = orgJSON(s, t.org)
	}
	if s.since(V127) {
		o["visibility"] = "private"
	}
	return o
}

// permission is what the team says of itself: since 1.24 nothing, where units
// decide.
func (s *Server) permission(t *team) string {
	if s.since(V126) || t.mode != none {
		return modeNames[t.mode]
	}
	lowest := write
	for unit, mode := range t.units {
		if !strings.HasPrefix(unit, "repo.ext_") {
			lowest = min(lowest, mode)
		}
	}
	return modeNames[lowest]
}

func (s *Server) repoJSON(r *repo, may access) object {
	o := s.plainRepoJSON(r, may)
	if r.parent != nil {
		o["parent"] = s.plainRepoJSON(r.parent, may)
	}
	return o
}

func (s *Server) plainRepoJSON(r *repo, may access) object {
	o, full := shape("repository"), r.fullName()
	api := s.root() + prefix + "/repos/" + full
	maps.Copy(o, object{
		"id": r.ID, "owner": s.userObject(r.owner, may.mode > none, false), "name": r.Name, "full_name": full,
		"description": r.Description, "empty": r.empty(), "private": r.Private, "fork": r.parent != nil,
		"template":      false,
		"languages_url": api + "/languages", "html_url": s.root() + "/" + full, "url": api, "ssh_url": s.sshURL(r),
		"clone_url": s.root() + "/" + full + ".git", "default_branch": r.DefaultBranch, "website": r.website,
		"archived": r.Archived, "archived_at": unixZero, "created_at": stamp(r.created), "updated_at": stamp(r.updated),
		"permissions": object{
			"admin": may.mode >= admin, "push": may.unit(codeUnit) >= write,
			"pull": may.unit(codeUnit) >= read,
		},
		"has_actions": !r.NoActions, "has_code": !r.empty(), "forks_count": len(s.forksOf(r)),
		"internal": !r.Private && r.owner.Visibility == "private",
	})
	if !s.since(V126) {
		drop(o, "allow_fast_forward_only_merge", "allow_manual_merge", "autodetect_manual_merge", "has_code",
			"licenses",
			"object_format_name", "projects_mode", "topics")
		o["parent"], o["repo_transfer"] = nil, nil
	}
	return o
}

func drop(o object, keys ...string) {
	for _, key := range keys {
		delete(o, key)
	}
}

func (s *Server) sshURL(r *repo) string {
	u, err := url.Parse(s.root())
	if err != nil {
		return ""
	}
	user := cmp.Or(s.cfg.SSHUser, "git")
	if port := cmp.Or(s.cfg.SSHPort, 22); port != 22 {
		return fmt.Sprintf("ssh://%s@%s:%d/%s.git", user, u.Hostname(), port, r.fullName())
	}
	return user + "@" + u.Hostname() + ":" + r.fullName() + ".git"
}

func sortedByName(teams []*team) []*team {
	out := slices.Clone(teams)
	slices.SortStableFunc(out, func(a, b *team) int {
		if (a.mode == owner) != (b.mode == owner) {
			return b.mode - a.mode
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return out
}
