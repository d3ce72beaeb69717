package giteatest

import (
	"maps"
	"slices"
)

// How far somebody may go with a repository, or with a unit of it.
const (
	none = iota
	read
	write
	admin
	owner
)

var modeNames = []string{"none", "read", "write", "admin", "owner"}

// parseMode returns the mode of a name; none if it is not one of allowed, where
// any are given.
func parseMode(name string, allowed ...int) int {
	mode := slices.Index(modeNames, name)
	if mode < 0 || len(allowed) > 0 && !slices.Contains(allowed, mode) {
		return none
	}
	return mode
}

const (
	ownersTeam   = "Owners"
	codeUnit     = "repo.code"
	packagesUnit = "repo.packages"
)

// unitNames are the units of a repository.
var unitNames = []string{
	codeUnit, "repo.issues", "repo.pulls", "repo.releases", "repo.wiki", "repo.ext_wiki", "repo.ext_issues",
	"repo.projects",
	packagesUnit, "repo.actions",
}

func allUnits(mode int) map[string]int {
	out := map[string]int{}
	for _, unit := range unitNames {
		out[unit] = mode
	}
	return out
}

// adminUnits are those of a team with permission admin.
func adminUnits() map[string]int {
	out := allUnits(admin)
	out["repo.ext_issues"], out["repo.ext_wiki"] = read, read
	return out
}

// An access is what somebody may do with a repository.
type access struct {
	mode  int
	units map[string]int // nil: mode goes for every unit
}

func (a access) unit(name string) int {
	if a.mode >= admin || a.units == nil {
		return a.mode
	}
	return a.units[name]
}

// any reports whether there is a unit that may be read.
func (a access) any() bool {
	return slices.ContainsFunc(unitNames, func(name string) bool { return a.unit(name) > none })
}

func (a *account) inTeam(t *team) bool { return slices.Contains(t.members, a) }

func (a *account) memberOf(org *account) bool {
	return slices.ContainsFunc(org.teams, a.inTeam)
}

func (a *account) ownerOf(org *account) bool {
	return slices.ContainsFunc(org.teams, func(t *team) bool { return t.mode == owner && a.inTeam(t) })
}

func (a *account) usable() bool { return !a.Inactive && !a.ProhibitLogin && !a.MustChangePassword }

func (t *team) join(a *account) {
	if !a.inTeam(t) {
		t.members = append(t.members, a)
	}
}

// visible reports whether doer, nil for nobody, may know of a user or an
// organisation.
func (s *Server) visible(a, doer *account) bool {
	switch {
	case doer == nil:
		return a.Visibility == "public" && !s.cfg.RequireSignIn
	case doer.Admin, doer == a:
		return true
	case doer.memberOf(a):
		return true
	case !doer.Restricted:
		return a.Visibility != "private"
	}
	return a.Visibility == "public" && s.since(V126) && !s.cfg.RequireSignIn
}

// access works out what doer, nil for nobody, may do with a repository.
func (s *Server) access(r *repo, doer *account) access {
	if doer == nil {
		if r.Private || !s.visible(r.owner, nil) {
			return access{}
		}
		return access{mode: read}
	}
	mode, collaborates := r.collaborators[doer.ID]
	switch {
	case doer.Admin, doer == r.owner:
		return access{mode: owner}
	case !collaborates && !s.visible(r.owner, doer):
		return access{}
	case !r.Private && s.visible(r.owner, doer):
		mode = max(mode, read)
	}
	return r.teamAccess(doer, mode)
}

// teamAccess adds what the doer's teams allow.
func (r *repo) teamAccess(doer *account, mode int) access {
	units, inTeam := map[string]int{}, false
	for _, t := range r.owner.teams {
		if !doer.inTeam(t) || !t.IncludesAllRepositories && !slices.Contains(t.repos, r) {
			continue
		}
		inTeam = true
		if t.mode >= admin {
			return access{mode: owner}
		}
		for unit, m := range t.units {
			units[unit] = max(units[unit], m)
		}
	}
	if !inTeam {
		return access{mode: mode}
	}
	for _, unit := range unitNames {
		units[unit] = max(units[unit], mode)
	}
	return access{mode: mode, units: maps.Clone(units)}
}

// mayCreateIn reports whether a may create repositories of an organisation.
func (a *account) mayCreateIn(org *account) bool {
	return slices.ContainsFunc(org.teams, func(t *team) bool {
		return a.inTeam(t) && (t.CanCreateOrgRepo ||
			t.mode == owner)
	})
}

// atLimit reports whether an account has as many repositories as it may have.
// Nothing limits what an admin creates.
func (s *Server) atLimit(doer, of *account) bool {
	return !doer.Admin && of.MaxRepoCreation != nil && *of.MaxRepoCreation >= 0 &&
		len(s.reposOf(of)) >= *of.MaxRepoCreation
}
