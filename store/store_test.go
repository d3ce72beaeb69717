package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(secondProcess); dir != "" {
		os.Exit(openAsSecondProcess(dir))
	}
	storetest.Main(m)
}

// each runs test on SQLite, on PostgreSQL, and on PostgreSQL with a platform's
// tables whose ids are uuid.
func each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	storetest.Each(t, test)
	t.Run("adopted", func(t *testing.T) {
		t.Parallel()
		test(t, adopted(t, "uuid"))
	})
}

// adopted is a database of a platform, testdata/adopt/NAME.sql, migrated.
func adopted(t *testing.T, name string) *store.DB {
	t.Helper()
	db := platform(t, name)
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func platform(t *testing.T, name string) *store.DB {
	t.Helper()
	db := openURL(t, storetest.Postgres(t))
	load(t, db, name)
	return db
}

func load(t *testing.T, db *store.DB, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "adopt", name+".sql"))
	check(t, err)
	execSQL(t, db, string(text))
}

func openURL(t *testing.T, url string) *store.DB {
	t.Helper()
	return open(t, store.Config{URL: secret.NewText(url)})
}

func open(t *testing.T, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execSQL(t *testing.T, db *store.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Conns().ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
}

// dump returns the rows of a query, each as text.
func dump(t *testing.T, db *store.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.Conns().QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		var line strings.Builder
		for i, c := range columns {
			if b, ok := values[i].([]byte); ok {
				values[i] = string(b)
			}
			fmt.Fprintf(&line, "%s=%v ", c, values[i])
		}
		out = append(out, line.String())
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// must returns v; it fails the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func wantSame(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// day is a time as both databases keep it; after(n) is n seconds later.
var day = time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)

func after(seconds int) time.Time { return day.Add(time.Duration(seconds) * time.Second) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// A tenant is a workspace with one row of everything.
type tenant struct {
	ws      tenancy.Workspace
	key     tenancy.Key
	digest  tenancy.Digest
	user    string // owner; joined too, so a member
	entry   tenancy.AuditEntry
	parts   tenancy.Parts
	nonce   string
	token   tenancy.BotToken // of the key
	begun   tenancy.BotToken // of another key, never filled; only where a test adds it
	project tenancy.Project  // with a repository
	access  tenancy.RepositoryAccess
	app     tenancy.AppRecord // made, of project
	data    tenancy.DatabaseRecord
	link    tenancy.LoginLink // an invitation
	opens   tenancy.Digest    // of it
}

func newTenant(t *testing.T, db *store.DB, slug string) tenant {
	t.Helper()
	a := tenant{user: newID()}
	a.ws = tenancy.Workspace{
		ID: newID(), Slug: slug, Name: "Name of " + slug, OwnerUserID: a.user, CoolifyProject: "project-" + slug,
		Placement: tenancy.Placement{Server: "server-" + slug, Destination: "net-" + slug, Trust: tenancy.Dedicated},
		Status:    tenancy.Ready, CreatedAt: day, UpdatedAt: after(1),
	}
	check(t, db.CreateWorkspace(t.Context(), a.ws, 0))
	a.key, a.digest = newKey(a.ws.ID, "key of "+slug)
	check(t, db.CreateKey(t.Context(), a.key, a.digest))
	a.entry = tenancy.AuditEntry{
		ID: newID(), WorkspaceID: a.ws.ID, At: day, Principal: "key:" + a.key.ID, Client: "client of " + slug,
		Tool: "apps.deploy", Target: "app of " + slug, Args: `{"app":"` + slug + `"}`, Outcome: "started",
	}
	check(t, db.StartAudit(t.Context(), a.entry))
	a.provision(t, db)
	return a
}

// provision gives the tenant what a run would record.
func (a *tenant) provision(t *testing.T, db *store.DB) {
	t.Helper()
	ctx, slug := t.Context(), a.ws.Slug
	a.parts = tenancy.Parts{
		CoolifyProject: a.ws.CoolifyProject, Org: "org-" + slug, OrgID: number(), TeamID: number(),
		Bot: "bot-" + slug, BotID: number(), TokenID: number(), TokenSealed: "v1.x.workspace-" + slug,
		Destination: "own-net-" + slug, HookID: number(), HookSealed: "v1.x.hook-" + slug,
	}
	check(t, db.SetParts(ctx, a.ws.ID, tenancy.Parts{CoolifyProject: a.ws.CoolifyProject}, a.parts))
	a.ws.GiteaOrg, a.ws.GiteaOrgID, a.ws.GiteaBot = a.parts.Org, a.parts.OrgID, a.parts.Bot
	a.nonce = must(db.KeepNonce(ctx, a.ws.ID, "nonce-"+slug))(t)

	a.token = newToken(a.key)
	check(t, db.AddBotToken(ctx, a.token))
	a.token = filled(a.token)
	check(t, db.FillBotToken(ctx, a.token))

	a.project = newProject(a.ws.ID, "web-"+slug)
	check(t, db.CreateProject(ctx, a.project))
	a.project.RepositoryID, a.project.Repository = number(), a.parts.Org+"/web"
	check(t, db.RecordRepository(ctx, a.ws.ID, a.project.ID, a.project.RepositoryID, a.project.Repository))
	a.access = tenancy.RepositoryAccess{RepositoryID: a.project.RepositoryID, Kind: tenancy.DeployKey, Ref: fmt.Sprint(number())}
	addAccess(t, db, a.ws.ID, a.access)

	a.app = newApp(a.project, "app-"+slug)
	check(t, db.CreateApp(ctx, a.app))
	a.app.UUID, a.app.Made = "uuid-of-"+a.app.ID, true
	check(t, db.RecordApp(ctx, a.ws.ID, a.app.ID, a.app.UUID, true))
	check(t, db.RecordVersion(ctx, a.ws.ID, a.app.UUID, hosting.AppVersion{Commit: "c-" + slug, Deployment: "d-" + slug, Live: true, At: day}))
	check(t, db.KeepLog(ctx, a.ws.ID, hosting.KeptLog{ID: newID(), App: a.app.UUID, Sealed: "v1.x.log-" + slug, At: day}))
	check(t, db.KeepValues(ctx, a.ws.ID, a.app.UUID, []hosting.KeptValue{{ID: newID(), Sealed: "v1.x.value-" + slug, At: day}}))
	a.data = newDatabase(a.ws.ID, "data-"+slug)
	check(t, db.CreateDatabase(ctx, a.data))
	a.data.UUID, a.data.URLSealed = "uuid-of-"+a.data.ID, "v1.x.database-"+slug
	check(t, db.RecordDatabase(ctx, a.data, a.data.UUID, a.data.URLSealed))

	a.link, a.opens = newLink(a.ws.ID)
	check(t, db.AddLoginLink(ctx, a.link, a.opens))
}

// newLink returns an invitation to a workspace.
func newLink(workspaceID string) (tenancy.LoginLink, tenancy.Digest) {
	l := tenancy.LoginLink{ID: newID(), WorkspaceID: workspaceID, Role: tenancy.RoleMember, CreatedBy: "operator", CreatedAt: day, ExpiresAt: after(60)}
	return l, sha256.Sum256([]byte(l.ID))
}

// migrate brings a database up to date and returns how many migrations that took.
func migrate(t *testing.T, db *store.DB) int {
	t.Helper()
	applied, _, err := db.Migrate(t.Context())
	check(t, err)
	return applied
}

// jobsOf returns the states of a workspace's jobs, but for those that end tokens.
func jobsOf(t *testing.T, db *store.DB, workspaceID string) []string {
	t.Helper()
	return dump(t, db, `select state from river_job where args->>'workspace_id' = $1 and kind <> 'vibn_tokens' order by id`, workspaceID)
}

// wantTokensQueued checks whether the job that ends tokens is queued, and drops it.
func wantTokensQueued(t *testing.T, what string, db *store.DB, workspaceID string, queued bool) {
	t.Helper()
	var want []string
	if queued {
		want = []string{"state=available "}
	}
	got := dump(t, db, `select state from river_job where args->>'workspace_id' = $1 and kind = 'vibn_tokens' order by id`, workspaceID)
	wantSame(t, what+": jobs that end tokens", want, got)
	execSQL(t, db, `delete from river_job where kind = 'vibn_tokens'`)
}

// tokenPlace is where a workspace's own token is sealed, botTokenPlace where that
// of a key is.
func tokenPlace(workspaceID string) secret.Place {
	return secret.Place{Table: "vibn_workspaces", Column: "gitea_bot_token_encrypted", Row: workspaceID}
}

func botTokenPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_bot_tokens", Column: "sealed", Row: id}
}

var numbers atomic.Int64

// number is an id as Gitea gives them, and no other's. It fits an integer, which
// a platform may have chosen for them.
func number() int64 { return 1_700_000_000 + numbers.Add(1) }

func newToken(k tenancy.Key) tenancy.BotToken {
	id := newID()
	return tenancy.BotToken{ID: id, WorkspaceID: k.WorkspaceID, KeyID: k.ID, Name: "name-" + id, CreatedAt: day}
}

// filled is a token as Gitea made it.
func filled(b tenancy.BotToken) tenancy.BotToken {
	b.GiteaID, b.LastEight, b.Sealed = number(), "12345678", "v1.x."+b.ID
	return b
}

func newProject(workspaceID, slug string) tenancy.Project {
	return tenancy.Project{
		ID: newID(), WorkspaceID: workspaceID, Slug: slug, Name: "Name of " + slug, Description: "About " + slug,
		Nonce: "nonce of " + slug, CreatedAt: day,
	}
}

func newApp(p tenancy.Project, name string) tenancy.AppRecord {
	return tenancy.AppRecord{ID: newID(), WorkspaceID: p.WorkspaceID, ProjectID: p.ID, Name: name, Nonce: "nonce of " + name, CreatedAt: day}
}

func newDatabase(workspaceID, name string) tenancy.DatabaseRecord {
	return tenancy.DatabaseRecord{
		ID: newID(), WorkspaceID: workspaceID, Name: name, Engine: "postgresql", Nonce: "nonce of " + name, CreatedAt: day,
	}
}

func addAccess(t *testing.T, db *store.DB, workspaceID string, a tenancy.RepositoryAccess) {
	t.Helper()
	execSQL(t, db, `insert into vibn_repository_access (id, workspace_id, gitea_repo_id, kind, ref, created_at)
		values ($1, $2, $3, $4, $5, $6)`, newID(), workspaceID, a.RepositoryID, string(a.Kind), a.Ref, day)
}

func newKey(workspaceID, name string) (tenancy.Key, tenancy.Digest) {
	k := tenancy.Key{
		ID: newID(), WorkspaceID: workspaceID, Name: name, Rights: tenancy.Read | tenancy.Deploy,
		CreatedBy: "operator", CreatedAt: day,
	}
	_, digest := tenancy.NewKey(&k)
	return k, digest
}

// child is a key that parent minted.
func child(t *testing.T, db *store.DB, parent tenancy.Key) tenancy.Key {
	t.Helper()
	k, digest := newKey(parent.WorkspaceID, "child of "+parent.Name)
	k.ParentID = parent.ID
	check(t, db.CreateKey(t.Context(), k, digest))
	return k
}

// allKeys are the keys of a workspace that has few.
var allKeys = people.KeyQuery{Limit: 1000}

func keyNow(t *testing.T, db *store.DB, k tenancy.Key) tenancy.Key {
	t.Helper()
	for _, got := range must(db.Keys(t.Context(), k.WorkspaceID, allKeys))(t) {
		if got.ID == k.ID {
			return got
		}
	}
	t.Fatalf("key %s is not in its workspace", k.ID)
	return tenancy.Key{}
}
