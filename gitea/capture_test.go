package gitea_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// An exchange is a line of a transcript: one request to a real Gitea and its
// answer. Long answers are cut.
type exchange struct {
	where  string // file and line
	method string
	target string
	sent   map[string]any
	status int
	header map[string]string
	body   string
}

// A line is "[label: ]METHOD /path [JSON] -> status [{'Header': 'value'}] body".
var (
	lineForm   = regexp.MustCompile(`^(?:.*?: )?(GET|POST|PUT|PATCH|DELETE) (/\S*) ?(.*?) ?-> (\d{3}) (\{'.*?'\} )?(.*)$`)
	headerForm = regexp.MustCompile(`'([^']+)': '([^']*)'`)
)

func readTranscripts(t *testing.T) []exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared, "captures", "gitea", "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		documenttest.SkipWithout(t, "the directory of transcripts")
	}
	var all []exchange
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if e, ok := parseLine(line); ok {
				e.where = fmt.Sprintf("%s/%s:%d", filepath.Base(filepath.Dir(name)), filepath.Base(name), i+1)
				all = append(all, e)
			}
		}
	}
	return all
}

func parseLine(line string) (exchange, bool) {
	m := lineForm.FindStringSubmatch(line)
	if m == nil || strings.HasPrefix(m[2], "/!/") { // those are not of the API
		return exchange{}, false
	}
	e := exchange{method: m[1], target: m[2], header: map[string]string{}, body: strings.TrimSpace(m[6])}
	e.status, _ = strconv.Atoi(m[4])
	if m[3] != "" && json.Unmarshal([]byte(m[3]), &e.sent) != nil {
		return exchange{}, false
	}
	for _, h := range headerForm.FindAllStringSubmatch(m[5], -1) {
		e.header[h[1]] = h[2]
	}
	return e, true
}

func (e exchange) text(key string) string {
	s, _ := e.sent[key].(string)
	return s
}

// segment returns a part of the path, from 0.
func (e exchange) segment(n int) string {
	p, _, _ := strings.Cut(e.target, "?")
	parts := strings.Split(strings.Trim(p, "/"), "/")
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// id returns a part of the path that is an id; 1 if it is none.
func (e exchange) id(n int) int64 {
	id, err := strconv.ParseInt(e.segment(n), 10, 64)
	if err != nil {
		return 1
	}
	return id
}

// answer is what the transcript has, and for what is not of the exchange as
// little as there must be: a list's second page, a password that is set.
func (e exchange) answer(w http.ResponseWriter, r *http.Request) {
	switch page := r.URL.Query().Get("page"); {
	case r.Method != e.method && r.Method == http.MethodPatch:
		answer(200, fmt.Sprintf(`{"id":9,"login":%q,"active":true}`, path.Base(r.URL.Path)))(w, r)
		return
	case r.Method != e.method, page != "" && page != "1":
		answer(200, `[]`, "X-Total-Count", e.header["X-Total-Count"])(w, r)
		return
	}
	header := []string{}
	for k, v := range e.header {
		if k != "Content-Length" && k != "Connection" {
			header = append(header, k, v)
		}
	}
	answer(e.status, e.body, header...)(w, r)
}

// replays has, for each operation of ours that is in the transcripts, the call
// that makes the exchange.
var replays = map[string]func(context.Context, clients, exchange) (any, error){
	"GET /version":          func(ctx context.Context, c clients, _ exchange) (any, error) { return c.Version(ctx) },
	"GET /user":             func(ctx context.Context, c clients, _ exchange) (any, error) { return c.Self(ctx) },
	"GET /users/{username}": func(ctx context.Context, c clients, e exchange) (any, error) { return c.User(ctx, e.segment(1)) },
	"GET /repos/search":     func(ctx context.Context, c clients, _ exchange) (any, error) { return c.bot.Alive(ctx) },
	"GET /orgs/{org}":       func(ctx context.Context, c clients, e exchange) (any, error) { return c.Org(e.segment(1)).Get(ctx) },
	"DELETE /orgs/{org}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.Org(e.segment(1)).Delete(ctx))
	},
	"GET /orgs/{org}/teams":   func(ctx context.Context, c clients, e exchange) (any, error) { return c.Org(e.segment(1)).Teams(ctx) },
	"GET /orgs/{org}/members": func(ctx context.Context, c clients, e exchange) (any, error) { return c.Org(e.segment(1)).Members(ctx) },
	"GET /orgs/{org}/repos": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Org(e.segment(1)).Repositories(ctx)
	},
	"GET /orgs/{org}/hooks":   func(ctx context.Context, c clients, e exchange) (any, error) { return c.Org(e.segment(1)).Hooks(ctx) },
	"GET /teams/{id}/members": func(ctx context.Context, c clients, e exchange) (any, error) { return c.TeamMembers(ctx, e.id(1)) },
	"GET /repos/{owner}/{repo}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).Get(ctx)
	},
	"DELETE /repos/{owner}/{repo}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.Repo(e.segment(1), e.segment(2)).Delete(ctx))
	},
	"POST /orgs": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.CreateOrg(ctx, gitea.NewOrg{Name: e.text("username")})
	},
	"PATCH /orgs/{org}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Org(e.segment(1)).Update(ctx, gitea.OrgUpdate{Visibility: e.text("visibility")})
	},
	"POST /orgs/{org}/teams": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Org(e.segment(1)).CreateTeam(ctx, gitea.TeamSpec{Name: e.text("name")})
	},
	"PATCH /teams/{id}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.UpdateTeam(ctx, e.id(1), gitea.TeamSpec{Name: e.text("name")})
	},
	"PUT /teams/{id}/members/{username}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.AddTeamMember(ctx, e.id(1), e.segment(3)))
	},
	"DELETE /teams/{id}/members/{username}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.RemoveTeamMember(ctx, e.id(1), e.segment(3)))
	},
	"POST /admin/users": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.CreateUser(ctx, gitea.NewUser{Login: e.text("username"), Email: "bot@vibn.invalid", Password: secret.NewText(e.text("password"))})
	},
	"PATCH /admin/users/{username}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.UpdateUser(ctx, e.segment(2), gitea.UserUpdate{})
	},
	"DELETE /admin/users/{username}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.DeleteUser(ctx, e.segment(2), strings.HasSuffix(e.target, "purge=true")))
	},
	"GET /admin/users": func(ctx context.Context, c clients, _ exchange) (any, error) {
		return searchOff(c).UserByID(ctx, 1<<40)
	},
	"GET /users/{username}/tokens": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.TokensOf(e.segment(1)).List(ctx)
	},
	"POST /users/{username}/tokens": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.TokensOf(e.segment(1)).Create(ctx, e.text("name"), nil)
	},
	"DELETE /users/{username}/tokens/{token}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.TokensOf(e.segment(1)).Delete(ctx, e.id(3)))
	},
	"POST /orgs/{org}/repos": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Org(e.segment(1)).CreateRepository(ctx, gitea.NewRepository{Name: e.text("name")})
	},
	"PATCH /repos/{owner}/{repo}": func(ctx context.Context, c clients, e exchange) (any, error) {
		var u gitea.RepositoryUpdate
		if name := e.text("name"); name != "" {
			u.Name = &name
		}
		return c.Repo(e.segment(1), e.segment(2)).Update(ctx, u)
	},
	"GET /repos/{owner}/{repo}/keys": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).DeployKeys(ctx)
	},
	"POST /repos/{owner}/{repo}/keys": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).AddDeployKey(ctx, gitea.NewDeployKey{Title: e.text("title"), Key: e.text("key")})
	},
	"DELETE /repos/{owner}/{repo}/keys/{id}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.Repo(e.segment(1), e.segment(2)).DeleteDeployKey(ctx, e.id(4)))
	},
	"GET /repos/{owner}/{repo}/collaborators": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).Collaborators(ctx)
	},
	"GET /repos/{owner}/{repo}/hooks": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).Hooks(ctx)
	},
	"POST /repos/{owner}/{repo}/hooks": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).CreateHook(ctx, gitea.NewHook{HookSpec: e.hook()})
	},
	"PATCH /repos/{owner}/{repo}/hooks/{id}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).UpdateHook(ctx, e.id(4), e.hook())
	},
	"DELETE /repos/{owner}/{repo}/hooks/{id}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.Repo(e.segment(1), e.segment(2)).DeleteHook(ctx, e.id(4)))
	},
	"GET /repos/{owner}/{repo}/branch_protections": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).BranchProtections(ctx)
	},
	"POST /repos/{owner}/{repo}/branch_protections": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).CreateBranchProtection(ctx, e.text("rule_name"), gitea.BranchProtectionSpec{})
	},
	"GET /repos/{owner}/{repo}/branch_protections/{name}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).BranchProtection(ctx, e.segment(4))
	},
	"PATCH /repos/{owner}/{repo}/branch_protections/{name}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return c.Repo(e.segment(1), e.segment(2)).UpdateBranchProtection(ctx, e.segment(4), gitea.BranchProtectionSpec{})
	},
	"DELETE /repos/{owner}/{repo}/branch_protections/{name}": func(ctx context.Context, c clients, e exchange) (any, error) {
		return only(c.Repo(e.segment(1), e.segment(2)).DeleteBranchProtection(ctx, e.segment(4)))
	},
	"GET /users/search": func(ctx context.Context, c clients, _ exchange) (any, error) { return c.UserByID(ctx, 1<<40) },
}

func (e exchange) hook() gitea.HookSpec {
	config, _ := e.sent["config"].(map[string]any)
	u, _ := config["url"].(string)
	return gitea.HookSpec{URL: u}
}

// searchOff returns the admin of a server whose search finds nobody.
func searchOff(c clients) *gitea.Admin {
	return c.Metered(func(ctx context.Context, op gitea.Operation) (func(), error) {
		if op.Path == "/users/search" {
			return nil, &gitea.Error{Kind: gitea.ErrNotFound}
		}
		return c.meter.admit(ctx, op)
	})
}

// want returns the kind of error that must come of the exchange; nil = none.
func (e exchange) want(operation string) error {
	byID := operation == "GET /users/search" || operation == "GET /admin/users"
	switch {
	case operation == "POST /orgs/{org}/repos" && gitea.CheckRepository(e.text("name")) != nil:
		return gitea.ErrInvalid // not sent at all
	case e.status/100 == 2 && !e.wholeAnswer(operation):
		return gitea.ErrUnavailable
	case e.status/100 == 2 && byID:
		return gitea.ErrNotFound // nobody has such an id
	case e.status/100 == 2:
		return nil
	case e.status/100 == 3:
		return gitea.ErrRenamed
	case e.status == 404 && operation != "DELETE /users/{username}/tokens/{token}" && strings.Contains(operation, "/tokens"),
		e.status == 401 && strings.HasSuffix(operation, "/tokens"):
		return gitea.ErrForbidden // by no way
	case e.status >= 500, e.status != 401 && e.status != 403 && !json.Valid([]byte(e.body)):
		return gitea.ErrUnavailable // half a sentence could be anybody's
	}
	return map[int]error{
		400: gitea.ErrInvalid, 401: gitea.ErrUnauthorized, 403: gitea.ErrForbidden, 404: gitea.ErrNotFound, 409: gitea.ErrConflict, 422: gitea.ErrInvalid,
	}[e.status]
}

// wholeAnswer reports whether a success was written down whole, is a whole list,
// and is what we would have asked for.
func (e exchange) wholeAnswer(operation string) bool {
	if e.status == http.StatusNoContent {
		return true
	}
	var items []json.RawMessage
	if total := e.header["X-Total-Count"]; total != "" && strings.HasPrefix(e.body, "[") {
		return json.Unmarshal([]byte(e.body), &items) == nil && strconv.Itoa(len(items)) == total
	}
	if operation == "POST /repos/{owner}/{repo}/keys" && e.sent["read_only"] != true {
		return false // we ask for no other
	}
	return json.Valid([]byte(e.body))
}

// TestTranscripts proves that what real servers of two versions answered comes
// out as it should.
func TestTranscripts(t *testing.T) {
	transcripts := readTranscripts(t)
	d := publishedDocument(t)
	if d == nil {
		documenttest.SkipWithout(t, "the published document")
	}
	ran, good := map[string]int{}, map[string]int{}
	for _, e := range transcripts {
		operation, _, err := d.Operation(d.NewRequest(t, e.method, e.target, ""))
		run := replays[operation]
		if err != nil || run == nil {
			continue
		}
		ran[operation]++
		c := connect(t, overWireHandler(e.answer))
		got, err := run(t.Context(), c, e)
		if want := e.want(operation); want != nil || err != nil {
			if !errors.Is(err, want) || want == nil {
				t.Errorf("%s: %s %s: %v, want %v", e.where, e.method, e.target, err, want)
			}
			continue
		}
		good[operation]++
		e.compare(t, got)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(replays)), slices.Sorted(maps.Keys(ran))); diff != "" {
		t.Errorf("operations that are replayed and that are in the transcripts (-replayed +there):\n%s", diff)
	}
	if sum(ran) < 500 || len(good) < 25 {
		t.Errorf("%d exchanges, successes of %d operations: the transcripts were not read", sum(ran), len(good))
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// compare looks at the fields that the answer and the result have in common by
// name: id, name, login.
func (e exchange) compare(t *testing.T, got any) {
	t.Helper()
	var answer any
	if e.body != "" {
		_ = json.Unmarshal([]byte(e.body), &answer) // it is whole
	}
	v := reflect.ValueOf(got)
	if list, ok := answer.([]any); ok {
		if v.Kind() != reflect.Slice || v.Len() != len(list) {
			t.Errorf("%s: %v of a list of %d", e.where, got, len(list))
		}
		for i := range min(len(list), v.Len()) {
			compareFields(t, e.where, list[i], v.Index(i))
		}
		return
	}
	compareFields(t, e.where, answer, v)
}

var sharedFields = map[string]string{
	"id": "ID", "login": "Login", "username": "Name", "full_name": "FullName", "description": "Description", "visibility": "Visibility", "restricted": "Restricted",
	"prohibit_login": "ProhibitLogin", "private": "Private", "empty": "Empty", "fork": "Fork", "default_branch": "DefaultBranch", "clone_url": "CloneURL",
	"token_last_eight": "LastEight", "read_only": "ReadOnly", "fingerprint": "Fingerprint", "rule_name": "Rule", "required_approvals": "RequiredApprovals",
	"active": "Active", "includes_all_repositories": "AllRepositories", "can_create_org_repo": "CreatesRepositories",
}

func compareFields(t *testing.T, where string, answer any, v reflect.Value) {
	t.Helper()
	object, ok := answer.(map[string]any)
	if !ok || v.Kind() != reflect.Struct {
		return
	}
	for key, name := range sharedFields {
		field := v.FieldByName(name)
		if told, ok := object[key]; ok && field.IsValid() && fmt.Sprint(told) != fmt.Sprint(field.Interface()) {
			t.Errorf("%s: %s = %v, want %v", where, name, field.Interface(), told)
		}
	}
}

// overWireHandler answers without a network, and judges nothing.
func overWireHandler(h http.HandlerFunc) gitea.Config {
	cfg := overWire(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	})
	cfg.RetryWait = 1
	return cfg
}
