package giteatest

import (
	"net/http"
	"net/url"
	"strings"
)

// A route is one row of Gitea's routing table. Its guards run in order, after
// sign-in, sudo and scopes.
type route struct {
	method  string
	pattern string // as in the published document
	scopes  []string
	guards  []guard
	do      func(*Server, *call) answer
	from    Behaviour // that brought it; "" = all
	root    bool      // the pattern begins at the root, not at the API
	open    bool      // no sign-in, whatever the settings
	git     bool      // git's protocol
}

const prefix = "/api/v1"

type (
	in    = []guard
	needs = []string
)

var (
	ofAdmin = in{signedIn, siteAdmin}
	onUser  = in{signedIn, siteAdmin, user}
	ofOrg   = in{org, signedIn, orgOwner}
	inOrg   = in{org, signedIn, orgMember}
	inTeam  = in{teamByID, signedIn, teamMember}
	hooking = in{org, signedIn, orgOwner, webhooksOn}
	ofTeam  = in{teamByID, signedIn, teamMember, teamOwner}
	tokens  = in{user, individual, selfOrAdmin, basicAuth}
	reading = in{repository, repoReader}
	ruling  = in{repository, signedIn, repoAdmin}
	calling = in{repository, signedIn, repoAdmin, webhooksOn}
	packs   = in{signedIn, packageOwner}
)

// routes is the whole table. The first row that fits is taken.
var routes []route

// The rows name functions, and those name the table.
func init() {
	routes = concat(miscRoutes, userRoutes, orgRoutes, adminRoutes, repoRoutes, gitRoutes)
}

func concat(tables ...[]route) []route {
	var out []route
	for _, t := range tables {
		out = append(out, t...)
	}
	return out
}

var miscRoutes = []route{
	{method: "GET", pattern: "/version", do: (*Server).version},
	{method: "GET", pattern: "/settings/api", do: (*Server).apiSettings},
	{method: "GET", pattern: "/api/healthz", do: (*Server).health, root: true, open: true},
	{method: "GET", pattern: "/user/sign_up", do: (*Server).signUp, root: true, open: true},
	{method: "GET", pattern: "/token", guards: in{itself}, do: (*Server).getOwnToken, from: V127},
	{method: "DELETE", pattern: "/token", guards: in{itself}, do: (*Server).deleteOwnToken, from: V127},
	{method: "GET", pattern: "/packages/{owner}", scopes: needs{scopePackage}, guards: packs, do: (*Server).listPackages},
	{
		method: "GET", pattern: "/packages/{owner}/{type}/{name}/{version}", scopes: needs{scopePackage}, guards: packs,
		do: (*Server).getPackage,
	},
	{
		method: "DELETE", pattern: "/packages/{owner}/{type}/{name}/{version}", scopes: needs{scopePackage}, guards: packs,
		do: (*Server).deletePackage,
	},
}

var userRoutes = []route{
	{method: "GET", pattern: "/user", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).getMe},
	{method: "GET", pattern: "/user/keys", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).listMyKeys},
	{method: "POST", pattern: "/user/keys", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).createMyKey},
	{method: "DELETE", pattern: "/user/keys/{id}", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).deleteMyKey},
	{method: "GET", pattern: "/user/orgs", scopes: needs{scopeUser, scopeOrg}, guards: in{signedIn}, do: (*Server).listMyOrgs},
	{method: "GET", pattern: "/user/teams", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).listMyTeams},
	{method: "GET", pattern: "/user/repos", scopes: needs{scopeUser, scopeRepo}, guards: in{signedIn}, do: (*Server).listMyRepos},
	{method: "POST", pattern: "/user/repos", scopes: needs{scopeUser, scopeRepo}, guards: in{signedIn}, do: (*Server).createMyRepo},
	{method: "GET", pattern: "/user/applications/oauth2", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).listApps},
	{method: "POST", pattern: "/user/applications/oauth2", scopes: needs{scopeUser}, guards: in{signedIn}, do: (*Server).createApp},
	{
		method: "DELETE", pattern: "/user/applications/oauth2/{id}", scopes: needs{scopeUser}, guards: in{signedIn},
		do: (*Server).deleteApp,
	},
	{method: "GET", pattern: "/users/search", scopes: needs{scopeUser}, guards: in{usersPage}, do: (*Server).searchUsers},
	{method: "GET", pattern: "/users/{username}", scopes: needs{scopeUser}, guards: in{user, individual}, do: (*Server).getUser},
	{
		method: "GET", pattern: "/users/{username}/keys", scopes: needs{scopeUser}, guards: in{signedIn, user},
		do: (*Server).listUserKeys,
	},
	{
		method: "GET", pattern: "/users/{username}/repos", scopes: needs{scopeUser, scopeRepo}, guards: in{user, individual},
		do: (*Server).listUserRepos,
	},
	{
		method: "GET", pattern: "/users/{username}/orgs", scopes: needs{scopeUser, scopeOrg}, guards: in{user, signedIn},
		do: (*Server).listUserOrgs,
	},
	{
		method: "GET", pattern: "/users/{username}/orgs/{org}/permissions", scopes: needs{scopeUser, scopeOrg}, guards: in{user, signedIn},
		do: (*Server).orgPermissions,
	},
	{method: "GET", pattern: "/users/{username}/tokens", scopes: needs{scopeUser}, guards: tokens, do: (*Server).listTokens},
	{method: "POST", pattern: "/users/{username}/tokens", scopes: needs{scopeUser}, guards: tokens, do: (*Server).createToken},
	{method: "DELETE", pattern: "/users/{username}/tokens/{token}", scopes: needs{scopeUser}, guards: tokens, do: (*Server).deleteToken},
}

var orgRoutes = []route{
	{method: "GET", pattern: "/orgs", do: (*Server).listOrgs},
	{method: "POST", pattern: "/orgs", scopes: needs{scopeOrg}, guards: in{signedIn}, do: (*Server).createOrg},
	{method: "GET", pattern: "/orgs/{org}", scopes: needs{scopeOrg}, guards: in{org}, do: (*Server).getOrg},
	{method: "PATCH", pattern: "/orgs/{org}", scopes: needs{scopeOrg}, guards: ofOrg, do: (*Server).updateOrg},
	{method: "DELETE", pattern: "/orgs/{org}", scopes: needs{scopeOrg}, guards: ofOrg, do: (*Server).deleteOrg},
	{method: "POST", pattern: "/orgs/{org}/rename", scopes: needs{scopeOrg}, guards: ofOrg, do: (*Server).renameOrg, from: V126},
	{method: "GET", pattern: "/orgs/{org}/repos", scopes: needs{scopeOrg}, guards: in{org}, do: (*Server).listOrgRepos},
	{
		method: "POST", pattern: "/orgs/{org}/repos", scopes: needs{scopeOrg, scopeRepo}, guards: in{org, signedIn},
		do: (*Server).createOrgRepo, from: V127,
	},
	{method: "POST", pattern: "/orgs/{org}/repos", scopes: needs{scopeOrg}, guards: in{org, signedIn}, do: (*Server).createOrgRepo},
	{method: "GET", pattern: "/orgs/{org}/members", scopes: needs{scopeOrg}, guards: in{org, signedIn}, do: (*Server).listMembers},
	{
		method: "GET", pattern: "/orgs/{org}/members/{username}", scopes: needs{scopeOrg}, guards: in{org, signedIn},
		do: (*Server).isMember,
	},
	{method: "DELETE", pattern: "/orgs/{org}/members/{username}", scopes: needs{scopeOrg}, guards: ofOrg, do: (*Server).removeMember},
	{method: "GET", pattern: "/orgs/{org}/teams", scopes: needs{scopeOrg}, guards: inOrg, do: (*Server).listTeams},
	{
		method: "POST", pattern: "/orgs/{org}/teams", scopes: needs{scopeOrg}, guards: in{org, signedIn, orgMember, orgOwner},
		do: (*Server).createTeam,
	},
	{method: "GET", pattern: "/orgs/{org}/teams/search", scopes: needs{scopeOrg}, guards: inOrg, do: (*Server).searchTeams},
	{method: "GET", pattern: "/orgs/{org}/hooks", scopes: needs{scopeOrg}, guards: hooking, do: (*Server).listOrgHooks},
	{method: "POST", pattern: "/orgs/{org}/hooks", scopes: needs{scopeOrg}, guards: hooking, do: (*Server).createOrgHook},
	{method: "GET", pattern: "/orgs/{org}/hooks/{id}", scopes: needs{scopeOrg}, guards: hooking, do: (*Server).getOrgHook},
	{method: "PATCH", pattern: "/orgs/{org}/hooks/{id}", scopes: needs{scopeOrg}, guards: hooking, do: (*Server).updateOrgHook},
	{method: "DELETE", pattern: "/orgs/{org}/hooks/{id}", scopes: needs{scopeOrg}, guards: hooking, do: (*Server).deleteOrgHook},
	{
		method: "GET", pattern: "/orgs/{org}/actions/runners", scopes: needs{scopeOrg}, guards: ofOrg, do: (*Server).listOrgRunners,
		from: V126,
	},

	{method: "GET", pattern: "/teams/{id}", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).getTeam},
	{method: "PATCH", pattern: "/teams/{id}", scopes: needs{scopeOrg}, guards: ofTeam, do: (*Server).updateTeam},
	{method: "DELETE", pattern: "/teams/{id}", scopes: needs{scopeOrg}, guards: ofTeam, do: (*Server).deleteTeam},
	{method: "GET", pattern: "/teams/{id}/members", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).listTeamMembers},
	{method: "GET", pattern: "/teams/{id}/members/{username}", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).getTeamMember},
	{method: "PUT", pattern: "/teams/{id}/members/{username}", scopes: needs{scopeOrg}, guards: ofTeam, do: (*Server).addTeamMember},
	{method: "DELETE", pattern: "/teams/{id}/members/{username}", scopes: needs{scopeOrg}, guards: ofTeam, do: (*Server).removeTeamMember},
	{method: "GET", pattern: "/teams/{id}/repos", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).listTeamRepos},
	{method: "PUT", pattern: "/teams/{id}/repos/{org}/{repo}", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).addTeamRepo},
	{method: "DELETE", pattern: "/teams/{id}/repos/{org}/{repo}", scopes: needs{scopeOrg}, guards: inTeam, do: (*Server).removeTeamRepo},
}

var adminRoutes = []route{
	{method: "GET", pattern: "/admin/orgs", scopes: needs{scopeAdmin}, guards: ofAdmin, do: (*Server).adminListOrgs},
	{method: "GET", pattern: "/admin/users", scopes: needs{scopeAdmin}, guards: ofAdmin, do: (*Server).adminListUsers},
	{method: "POST", pattern: "/admin/users", scopes: needs{scopeAdmin}, guards: ofAdmin, do: (*Server).createUser},
	{method: "PATCH", pattern: "/admin/users/{username}", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).updateUser},
	{method: "DELETE", pattern: "/admin/users/{username}", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).deleteUser},
	{method: "POST", pattern: "/admin/users/{username}/rename", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).renameUser},
	{method: "POST", pattern: "/admin/users/{username}/orgs", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).createUserOrg},
	{method: "POST", pattern: "/admin/users/{username}/repos", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).createUserRepo},
	{method: "POST", pattern: "/admin/users/{username}/keys", scopes: needs{scopeAdmin}, guards: onUser, do: (*Server).createUserKey},
	{
		method: "DELETE", pattern: "/admin/users/{username}/keys/{id}", scopes: needs{scopeAdmin}, guards: onUser,
		do: (*Server).deleteUserKey,
	},
	{
		method: "GET", pattern: "/admin/users/{username}/tokens", scopes: needs{scopeAdmin},
		guards: in{forgejo, signedIn, siteAdmin, user}, do: (*Server).listTokens,
	},
	{
		method: "POST", pattern: "/admin/users/{username}/tokens", scopes: needs{scopeAdmin},
		guards: in{forgejo, signedIn, siteAdmin, user}, do: (*Server).createToken,
	},
	{
		method: "DELETE", pattern: "/admin/users/{username}/tokens/{token}", scopes: needs{scopeAdmin},
		guards: in{forgejo, signedIn, siteAdmin, user}, do: (*Server).deleteToken,
	},
	{
		method: "GET", pattern: "/admin/actions/runners", scopes: needs{scopeAdmin}, guards: ofAdmin, do: (*Server).listRunners,
		from: V126,
	},
}

var repoRoutes = []route{
	{method: "GET", pattern: "/repositories/{id}", scopes: needs{scopeRepo}, do: (*Server).getRepoByID},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/assignees", scopes: needs{scopeRepo},
		guards: in{repository, signedIn}, do: (*Server).listAssignees,
	},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/subscribers", scopes: needs{scopeRepo},
		guards: in{repository}, do: (*Server).listSubscribers,
	},
	{method: "GET", pattern: "/repos/search", scopes: needs{scopeRepo}, do: (*Server).searchRepos},
	{method: "GET", pattern: "/repos/{owner}/{repo}", scopes: needs{scopeRepo}, guards: in{repository}, do: (*Server).getRepo},
	{method: "PATCH", pattern: "/repos/{owner}/{repo}", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).updateRepo},
	{
		method: "DELETE", pattern: "/repos/{owner}/{repo}", scopes: needs{scopeRepo}, guards: in{repository, signedIn, repoOwner},
		do: (*Server).deleteRepo,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/keys", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).listDeployKeys},
	{method: "POST", pattern: "/repos/{owner}/{repo}/keys", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).createDeployKey},
	{method: "GET", pattern: "/repos/{owner}/{repo}/keys/{id}", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).getDeployKey},
	{method: "DELETE", pattern: "/repos/{owner}/{repo}/keys/{id}", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).deleteDeployKey},
	{method: "GET", pattern: "/repos/{owner}/{repo}/hooks", scopes: needs{scopeRepo}, guards: calling, do: (*Server).listRepoHooks},
	{method: "POST", pattern: "/repos/{owner}/{repo}/hooks", scopes: needs{scopeRepo}, guards: calling, do: (*Server).createRepoHook},
	{method: "GET", pattern: "/repos/{owner}/{repo}/hooks/{id}", scopes: needs{scopeRepo}, guards: calling, do: (*Server).getRepoHook},
	{method: "PATCH", pattern: "/repos/{owner}/{repo}/hooks/{id}", scopes: needs{scopeRepo}, guards: calling, do: (*Server).updateRepoHook},
	{method: "DELETE", pattern: "/repos/{owner}/{repo}/hooks/{id}", scopes: needs{scopeRepo}, guards: calling, do: (*Server).deleteRepoHook},
	{method: "POST", pattern: "/repos/{owner}/{repo}/hooks/{id}/tests", scopes: needs{scopeRepo}, guards: calling, do: (*Server).testHook},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/collaborators", scopes: needs{scopeRepo}, guards: in{repository, signedIn},
		do: (*Server).listCollaborators,
	},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/collaborators/{collaborator}", scopes: needs{scopeRepo},
		guards: in{repository, signedIn}, do: (*Server).isCollaborator,
	},
	{
		method: "PUT", pattern: "/repos/{owner}/{repo}/collaborators/{collaborator}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).addCollaborator,
	},
	{
		method: "DELETE", pattern: "/repos/{owner}/{repo}/collaborators/{collaborator}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).deleteCollaborator,
	},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/collaborators/{collaborator}/permission", scopes: needs{scopeRepo},
		guards: in{repository, signedIn}, do: (*Server).collaboratorPermission,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/push_mirrors", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).listMirrors},
	{method: "POST", pattern: "/repos/{owner}/{repo}/push_mirrors", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).createMirror},
	{method: "GET", pattern: "/repos/{owner}/{repo}/push_mirrors/{name}", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).getMirror},
	{
		method: "DELETE", pattern: "/repos/{owner}/{repo}/push_mirrors/{name}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).deleteMirror,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/forks", scopes: needs{scopeRepo}, guards: in{repository}, do: (*Server).listForks},
	{
		method: "POST", pattern: "/repos/{owner}/{repo}/forks", scopes: needs{scopeRepo}, guards: in{repository, signedIn, repoReader},
		do: (*Server).createFork,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/branch_protections", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).listRules},
	{method: "POST", pattern: "/repos/{owner}/{repo}/branch_protections", scopes: needs{scopeRepo}, guards: ruling, do: (*Server).createRule},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/branch_protections/{name}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).getRule,
	},
	{
		method: "PATCH", pattern: "/repos/{owner}/{repo}/branch_protections/{name}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).updateRule,
	},
	{
		method: "DELETE", pattern: "/repos/{owner}/{repo}/branch_protections/{name}", scopes: needs{scopeRepo}, guards: ruling,
		do: (*Server).deleteRule,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/statuses/{sha}", scopes: needs{scopeRepo}, guards: reading, do: (*Server).listStatuses},
	{
		method: "POST", pattern: "/repos/{owner}/{repo}/statuses/{sha}", scopes: needs{scopeRepo},
		guards: in{repository, repoReader, signedIn, repoWriter}, do: (*Server).createStatus,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/commits", scopes: needs{scopeRepo}, guards: reading, do: (*Server).listCommits},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/status", scopes: needs{scopeRepo}, guards: reading,
		do: (*Server).combinedStatus,
	},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/statuses", scopes: needs{scopeRepo}, guards: reading,
		do: (*Server).listStatusesByRef,
	},
	{method: "GET", pattern: "/repos/{owner}/{repo}/git/commits/{sha}", scopes: needs{scopeRepo}, guards: reading, do: (*Server).getCommit},
	{method: "GET", pattern: "/repos/{owner}/{repo}/branches", scopes: needs{scopeRepo}, guards: reading, do: (*Server).listBranches},
	{method: "GET", pattern: "/repos/{owner}/{repo}/branches/{branch}", scopes: needs{scopeRepo}, guards: reading, do: (*Server).getBranch},
	{method: "GET", pattern: "/repos/{owner}/{repo}/contents/{filepath}", scopes: needs{scopeRepo}, guards: reading, do: (*Server).getContents},
	{
		method: "POST", pattern: "/repos/{owner}/{repo}/contents/{filepath}", scopes: needs{scopeRepo}, guards: in{repository, repoReader, signedIn},
		do: (*Server).writeContents,
	},
	{
		method: "PUT", pattern: "/repos/{owner}/{repo}/contents/{filepath}", scopes: needs{scopeRepo}, guards: in{repository, repoReader, signedIn},
		do: (*Server).writeContents,
	},
	{
		method: "DELETE", pattern: "/repos/{owner}/{repo}/contents/{filepath}", scopes: needs{scopeRepo},
		guards: in{repository, repoReader, signedIn}, do: (*Server).writeContents,
	},
	{
		method: "GET", pattern: "/repos/{owner}/{repo}/actions/runners", scopes: needs{scopeRepo}, guards: in{repository, signedIn, repoOwner},
		do: (*Server).listRepoRunners, from: V126,
	},
}

func (rt *route) full() string {
	if rt.root {
		return rt.pattern
	}
	return prefix + rt.pattern
}

// routeOf returns the route of a request and its parameters; a nil route leads
// to the router's own 404.
func (s *Server) routeOf(r *http.Request) (*route, map[string]string) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range segments {
		if plain, err := url.PathUnescape(segments[i]); err == nil {
			segments[i] = plain
		}
	}
	for i := range routes {
		rt := &routes[i]
		if rt.method != r.Method || !s.since(rt.from) {
			continue
		}
		if params, ok := match(strings.Split(rt.full()[1:], "/"), segments); ok {
			return rt, params
		}
	}
	return nil, nil
}

// match fills in the parameters of a pattern. {filepath} and {branch} take the
// rest of the path.
func match(want, segments []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, w := range want {
		if i >= len(segments) {
			return nil, false
		}
		name, isParam := strings.CutPrefix(w, "{")
		name = strings.TrimSuffix(name, "}")
		switch {
		case name == "filepath" || name == "branch":
			params[name] = strings.Join(segments[i:], "/")
			return params, params[name] != ""
		case isParam && segments[i] != "":
			params[name] = segments[i]
		case w != segments[i]:
			return nil, false
		}
	}
	return params, len(want) == len(segments)
}
