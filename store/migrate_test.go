package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/db/migrations"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// eachEmpty runs test on a database of each kind without tables.
func eachEmpty(t *testing.T, test func(t *testing.T, cfg store.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{URL: secret.NewText(storetest.Postgres(t))})
	})
}

func wantBehind(t *testing.T, db *store.DB, want bool) {
	t.Helper()
	if got, err := db.Behind(t.Context()); err != nil || got != want {
		t.Errorf("Behind() = %v, %v, want %v", got, err, want)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		versions := db.Versions()
		wantBehind(t, db, true)
		check(t, db.MigrateTo(t.Context(), versions[len(versions)-2]))
		wantBehind(t, db, true)
		wantSame(t, "applied", 1, migrate(t, db))
		wantBehind(t, db, false)
		wantSame(t, "applied again", 0, migrate(t, db))
		newTenant(t, db, "alpha")

		// A newer release was here: this one goes on working.
		execSQL(t, db, `insert into vibn_migrations (version_id, is_applied) values (99999, true)`)
		wantBehind(t, db, false)
		wantSame(t, "applied to a newer database", 0, migrate(t, db))
	})
}

func TestBehindChangesNothing(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		wantBehind(t, db, true)
		query := `select name from sqlite_master`
		if db.Dialect() == "PostgreSQL" {
			query = `select tablename from pg_tables where schemaname = 'public'`
		}
		wantSame(t, "tables after Behind", []string(nil), dump(t, db, query))
	})
}

func TestConcurrentMigrate(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, cfg store.Config) {
		const migrators = 4
		dbs := []*store.DB{open(t, cfg)}
		for len(dbs) < migrators {
			db := dbs[0] // SQLite serves one process: four at once in it
			if !cfg.URL.IsZero() {
				db = open(t, cfg)
			}
			dbs = append(dbs, db)
		}
		var together errgroup.Group
		applied := make([]int, migrators)
		for i, db := range dbs {
			together.Go(func() (err error) {
				applied[i], _, err = db.Migrate(t.Context())
				return err
			})
		}
		check(t, together.Wait())
		slices.Sort(applied)
		wantSame(t, "applied", []int{0, 0, 0, len(dbs[0].Versions())}, applied)
		newTenant(t, dbs[3], "alpha")
	})
}

// A statement inserts a row as a release of a version would.
type statement struct {
	query string
	args  []any
}

// rowsOfVersion says what each migration makes room for. A migration that adds
// no table has a row that uses what it adds.
var rowsOfVersion = map[int64]statement{
	1: {
		`insert into vibn_workspaces (id, slug, name, provision_status, created_at, updated_at) values ($1, $2, $3, $4, $5, $6)`,
		[]any{"w1", "alpha", "Alpha", "ready", day, after(1)},
	},
	2: {
		`insert into vibn_workspace_members (id, workspace_id, user_id, role, created_at) values ($1, $2, $3, $4, $5)`,
		[]any{"m1", "w1", "u1", "owner", day},
	},
	3: {
		`insert into vibn_users (id, issuer, subject, email, display_name) values ($1, $2, $3, $4, $5)`,
		[]any{"u1", "https://id.example.com", "sub", "one@example.com", "One"},
	},
	4: {
		`insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		[]any{"k1", "w1", "Key", "vibn_sk_abcd", "wxyz", strings.Repeat("0", 64), "read,deploy", "operator", day},
	},
	5: {
		`insert into vibn_bot_tokens (id, workspace_id, key_id, gitea_token_id, last_eight, sealed, created_at)
		values ($1, $2, $3, $4, $5, $6, $7)`,
		[]any{"b1", "w1", "k1", 7, "12345678", "v1.x.y", day},
	},
	6: {
		`insert into vibn_projects (id, workspace_id, slug, name, gitea_repo_id, gitea_repo, created_at)
		values ($1, $2, $3, $4, $5, $6, $7)`,
		[]any{"p1", "w1", "web", "Web", 9, "alpha/web", day},
	},
	7: {
		`insert into vibn_audit (id, workspace_id, at, principal, client, tool, target, args, outcome)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		[]any{"a1", "w1", day, "key:k1", "client", "apps.deploy", "web", "{}", "ok"},
	},
	8: {
		`insert into river_job (kind, args, max_attempts) values ($1, $2, $3)`,
		[]any{"vibn_provision", `{"workspace_id": "w1"}`, 25},
	},
	9: {
		`insert into vibn_workspaces (id, slug, name, provision_status, gitea_org, gitea_org_id, gitea_team_id, gitea_bot_username,
			gitea_bot_user_id, gitea_bot_token_id, gitea_bot_token_encrypted, provision_nonce, provision_wanted, provision_done,
			provision_holder, provision_until, reconciled_at, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		[]any{
			"w2", "beta", "Beta", "partial", "vibn-beta", 11, 12, "vibn-bot-beta", 13, 14, "v1.x.w2", "nonce", 6, 5,
			"run", after(2), after(3), day, after(1),
		},
	},
	10: {
		`insert into vibn_bot_tokens (id, workspace_id, key_id, name, gitea_token_id, last_eight, sealed, created_at, revoked_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		[]any{"b2", "w1", "k1", "vibn-b2", 8, "12345678", "", day, after(1)},
	},
	11: {
		`insert into vibn_repository_access (id, workspace_id, gitea_repo_id, kind, ref, created_at) values ($1, $2, $3, $4, $5, $6)`,
		[]any{"r1", "w1", 9, "deploy_key", "21", day},
	},
	12: {
		`insert into vibn_sessions (digest, data, expires_at) values ($1, $2, $3)`,
		[]any{strings.Repeat("1", 64), []byte("data"), after(60)},
	},
	13: {
		`insert into vibn_login_links (id, workspace_id, digest, role, created_by, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		[]any{"l1", "w1", strings.Repeat("2", 64), "member", "operator", day, after(60)},
	},
	14: {
		`insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at, request)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		[]any{"k2", "w1", "Key", "vibn_sk_abcd", "wxyz", strings.Repeat("3", 64), "read", "u1", day, "form"},
	},
	15: {
		`insert into vibn_audit (id, workspace_id, at, principal, client, tool, target, args, outcome)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		[]any{"a2", "w2", after(1), "member:u1", "browser", "keys.create", "k2", "{}", "ok"},
	},
	16: {
		`insert into vibn_apps (id, workspace_id, project_id, name, nonce, coolify_uuid, made, deleting_at, head, deployment, reported, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		[]any{"x1", "w1", "p1", "web", "nonce", "uuid1", true, after(3), "sha", "dep", "pending", day},
	},
	17: {
		`insert into vibn_databases (id, workspace_id, name, engine, nonce, coolify_uuid, url_encrypted, deleting_at, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		[]any{"d1", "w1", "data", "redis", "nonce", "uuid2", "v1.x.d1", after(3), day},
	},
	18: {
		`insert into vibn_projects (id, workspace_id, slug, name, gitea_repo_id, gitea_repo, created_at, push_wanted, push_done, push_digest)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		[]any{"p2", "w2", "web", "Web", 10, "beta/web", day, 3, 2, "digest"},
	},
	19: {
		`insert into vibn_workspaces (id, slug, name, provision_status, plan_memory, plan_cpus, plan_apps, plan_databases, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		[]any{"w3", "gamma", "Gamma", "ready", "1g", "2", 20, 5, day, day},
	},
	20: {
		`insert into vibn_idempotency_keys (workspace_id, tool, idempotency_key, digest, created_at) values ($1, $2, $3, $4, $5)`,
		[]any{"w1", "apps.create", "mine", strings.Repeat("4", 64), day},
	},
	21: {
		`insert into vibn_apps (id, workspace_id, project_id, name, nonce, deleting_at, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		[]any{"x2", "w2", "p2", "web", "nonce", after(3), day},
	},
	22: {
		`insert into vibn_workspaces (id, slug, name, provision_status, gitea_hook_id, gitea_hook_secret_encrypted, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		[]any{"w4", "delta", "Delta", "ready", 31, "v1.x.w4", day, day},
	},
	23: {
		`insert into vibn_apps (id, workspace_id, project_id, name, nonce, made, branch, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		[]any{"x3", "w2", "p2", "api", "nonce", true, "trunk", day},
	},
	24: {
		`insert into vibn_crash_logs (id, workspace_id, app_uuid, log_encrypted, kept_at) values ($1, $2, $3, $4, $5)`,
		[]any{"l1", "w1", "uuid1", "v1.x.l1", day},
	},
	25: {
		`insert into vibn_workspaces (id, slug, name, provision_status, gitea_renaming, hook_taken_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		[]any{"w5", "epsilon", "Epsilon", "ready", true, day, day, day},
	},
	26: {
		`insert into vibn_env_values (id, workspace_id, app_uuid, preview, value_encrypted, written_at) values ($1, $2, $3, $4, $5, $6)`,
		[]any{"v1", "w1", "uuid1", false, "v1.x.v1", day},
	},
	27: {
		`insert into vibn_bot_tokens (id, workspace_id, user_id, name, gitea_token_id, last_eight, sealed, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		[]any{"b3", "w2", "u1", "vibn-b3", 9, "12345678", "v1.x.b3", day},
	},
	28: {
		`insert into vibn_bot_tokens (id, workspace_id, user_id, name, gitea_token_id, last_eight, sealed, created_at, revoked_at, gone_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
		[]any{"b4", "w2", "u1", "vibn-b4", 10, "12345678", "", day, after(1)},
	},
	29: {
		`insert into vibn_ended_keys (workspace_id, id, name, ended_at) values ($1, $2, $3, $4)`,
		[]any{"w1", "k0", "Key", day},
	},
	30: {
		`insert into vibn_audit (id, workspace_id, at, principal, client, tool, target, args, outcome, refused, last_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		[]any{"a3", "w3", day, "key:k1", "client", "apps.deploy", "none", "{}", "not_found", 3, after(1)},
	},
	31: {
		`insert into vibn_sessions (digest, data, expires_at, guest) values ($1, $2, $3, $4)`,
		[]any{strings.Repeat("5", 64), []byte("data"), after(60), true},
	},
}

// tables has each table at the version that makes it, and is empty where none is.
var tables = []string{
	1: "vibn_workspaces", 2: "vibn_workspace_members", 3: "vibn_users", 4: "vibn_api_keys", 5: "vibn_bot_tokens",
	6: "vibn_projects", 7: "vibn_audit", 8: "river_job", 11: "vibn_repository_access", 12: "vibn_sessions", 13: "vibn_login_links",
	16: "vibn_apps", 17: "vibn_databases", 20: "vibn_idempotency_keys", 24: "vibn_crash_logs", 26: "vibn_env_values", 29: "vibn_ended_keys",
}

// Rows written by the release of any version are there after migrating, and the
// methods read them.
func TestMigrateFromEachVersionWithRows(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, first store.Config) {
		db := open(t, first)
		for _, version := range db.Versions() {
			t.Run(fmt.Sprint(version), func(t *testing.T) {
				t.Parallel()
				cfg := store.Config{Dir: t.TempDir()}
				if !first.URL.IsZero() {
					cfg = store.Config{URL: secret.NewText(storetest.Postgres(t))}
				}
				migrateFrom(t, open(t, cfg), version)
			})
		}
	})
}

func migrateFrom(t *testing.T, db *store.DB, version int64) {
	check(t, db.MigrateTo(t.Context(), version))
	for v := int64(1); v <= version; v++ {
		rows, ok := rowsOfVersion[v]
		if !ok {
			t.Fatalf("rowsOfVersion has nothing for migration %d", v)
		}
		execSQL(t, db, rows.query, rows.args...)
	}
	before := make(map[string][]string)
	for _, table := range tables[:min(int(version)+1, len(tables))] {
		if table == "" {
			continue
		}
		columns := strings.Join(columnsOf(t, db, table), ", ")
		query := `select ` + columns + ` from ` + table
		before[query] = dump(t, db, query)
		if len(before[query]) == 0 {
			t.Fatalf("%s has no row to keep", table)
		}
	}
	migrate(t, db)
	for query, want := range before {
		wantSame(t, query, want, dump(t, db, query))
	}
	readAsOf(t, db, version)
}

// Webhooks whose secret may be another than the recorded one are forgotten, and the
// secret stays.
func TestMigrateForgetsWebhooks(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		check(t, db.MigrateTo(t.Context(), 21))
		webhook := rowsOfVersion[22]
		execSQL(t, db, webhook.query, webhook.args...)
		migrate(t, db)
		p := must(db.Provision(t.Context(), "w4"))(t)
		wantSame(t, "webhook", tenancy.Parts{HookSealed: "v1.x.w4"}, p.Parts)
	})
}

// The token of a workspace that a person was shown is replaced, once, and the operator is
// told which.
func TestMigrateReplacesShownTokens(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, cfg store.Config) {
		ctx, db := t.Context(), open(t, cfg)
		check(t, db.MigrateTo(ctx, migrations.ShownTokens-1))
		for i, w := range []struct{ slug, principal, tool, outcome string }{
			{"shown", "member:u1", "gitea.credentials", "ok"},
			{"cut-short", "member:u1", "gitea.credentials", "started"},
			{"refused", "member:u1", "gitea.credentials", "forbidden"},
			{"a-key", "key:k1", "gitea.credentials", "ok"},
			{"another-tool", "member:u1", "keys.create", "ok"},
		} {
			id := fmt.Sprint("w", i)
			execSQL(t, db, `insert into vibn_workspaces (id, slug, name, provision_status, gitea_bot_token_id, gitea_bot_token_encrypted, created_at, updated_at)
				values ($1, $2, 'Name', 'ready', 7, 'v1.x.y', $3, $3)`, id, w.slug, day)
			execSQL(t, db, `insert into vibn_audit (id, workspace_id, at, principal, client, tool, target, args, outcome)
				values ($1, $2, $3, $4, 'browser', $5, '', '{"reveal":true}', $6)`, "a"+id, id, day, w.principal, w.tool, w.outcome)
		}
		_, rotated, err := db.Migrate(ctx)
		check(t, err)
		wantSame(t, "told", []string{"cut-short", "shown"}, rotated)
		_, rotated, err = db.Migrate(ctx)
		check(t, err)
		wantSame(t, "told again", []string(nil), rotated)
		for i, replaced := range []bool{true, true, false, false, false} {
			id := fmt.Sprint("w", i)
			p := must(db.Provision(ctx, id))(t)
			wantSame(t, id+": replaced", replaced, p.TokenID == 0)
			wantSame(t, id+": a run is wanted", replaced, p.Wanted > p.Done)
			wantSame(t, id+": sealed", "v1.x.y", p.TokenSealed)
			entries := must(db.Audit(ctx, id, tenancy.AuditQuery{Tool: "platform.rotate", Limit: 9}))(t)
			wantSame(t, id+": on record", replaced, len(entries) == 1 && entries[0].Outcome == "ok" && entries[0].Principal == "platform")
		}
	})
}

func columnsOf(t *testing.T, db *store.DB, table string) []string {
	t.Helper()
	rows, err := db.Conns().QueryContext(t.Context(), `select * from `+table)
	check(t, err)
	defer rows.Close()
	columns := must(rows.Columns())(t)
	check(t, rows.Err())
	return columns
}

// readAsOf reads rowsOfVersion up to version through the methods.
func readAsOf(t *testing.T, db *store.DB, version int64) {
	t.Helper()
	ctx := t.Context()
	w := tenancy.Workspace{
		ID: "w1", Slug: "alpha", Name: "Alpha", Placement: tenancy.Placement{Trust: tenancy.Shared},
		Status: tenancy.Ready, CreatedAt: day, UpdatedAt: after(1),
	}
	wantSame(t, "Workspace", w, must(db.Workspace(ctx, "alpha"))(t))
	member := tenancy.Member{WorkspaceID: "w1", UserID: "u1", Role: tenancy.RoleOwner, CreatedAt: day}
	if version >= 3 {
		member.Email, member.DisplayName = "one@example.com", "One"
	}
	if version >= 2 {
		wantSame(t, "Members", []tenancy.Member{member}, must(db.Members(ctx, "w1"))(t))
	}
	if version >= 4 {
		key, _, err := db.KeyByDigest(ctx, tenancy.Digest{})
		check(t, err)
		want := tenancy.Key{
			ID: "k1", WorkspaceID: "w1", Name: "Key", Prefix: "vibn_sk_abcd", Last4: "wxyz",
			Rights: tenancy.Read | tenancy.Deploy, CreatedBy: "operator", CreatedAt: day,
		}
		wantSame(t, "key of KeyByDigest", want, key)
	}
	if version >= 5 {
		want := tenancy.BotToken{ID: "b1", WorkspaceID: "w1", KeyID: "k1", GiteaID: 7, LastEight: "12345678", Sealed: "v1.x.y", CreatedAt: day}
		wantSame(t, "BotTokens", []tenancy.BotToken{want}, must(db.BotTokens(ctx, "w1"))(t))
	}
	if version >= 6 {
		want := tenancy.Project{ID: "p1", WorkspaceID: "w1", Slug: "web", Name: "Web", RepositoryID: 9, Repository: "alpha/web", CreatedAt: day}
		wantSame(t, "Projects", []tenancy.Project{want}, must(db.Projects(ctx, "w1"))(t))
	}
	wantSame(t, "Provision", tenancy.Provision{Workspace: w}, must(db.Provision(ctx, "w1"))(t))
	if version >= 9 {
		readProvisioned(t, db)
	}
	if version >= 11 {
		want := tenancy.RepositoryAccess{RepositoryID: 9, Kind: tenancy.DeployKey, Ref: "21"}
		wantSame(t, "RepositoryAccess", []tenancy.RepositoryAccess{want}, must(db.RepositoryAccess(ctx, "w1"))(t))
	}
	if version >= 16 {
		want := tenancy.AppRecord{
			ID: "x1", WorkspaceID: "w1", ProjectID: "p1", Name: "web", Nonce: "nonce", UUID: "uuid1", Made: true, DeletingAt: new(after(3)),
			Head: "sha", Deployment: "dep", Reported: "pending", CreatedAt: day,
		}
		wantSame(t, "AppRecords", []tenancy.AppRecord{want}, must(db.AppRecords(ctx, "w1"))(t))
	}
	if version >= 17 {
		want := tenancy.DatabaseRecord{
			ID: "d1", WorkspaceID: "w1", Name: "data", Engine: "redis", Nonce: "nonce", UUID: "uuid2", URLSealed: "v1.x.d1",
			DeletingAt: new(after(3)), CreatedAt: day,
		}
		wantSame(t, "DatabaseRecords", []tenancy.DatabaseRecord{want}, must(db.DatabaseRecords(ctx, "w1"))(t))
	}
	if version >= 18 {
		more := must(db.FinishPush(ctx, "w2", "p2", 2))(t)
		wantSame(t, "pushes left", true, more)
	}
	if version >= 19 {
		wantSame(t, "plan", tenancy.Plan{Memory: "1g", CPUs: "2", Apps: 20, Databases: 5}, must(db.Workspace(ctx, "gamma"))(t).Plan)
	}
	if version >= 20 {
		wantErr(t, "ClaimKey", db.ClaimKey(ctx, "w1", "apps.create", "mine", "other", day), tenancy.ErrConflict)
	}
	if version >= 22 {
		wantSame(t, "webhook", int64(31), must(db.Provision(ctx, "w4"))(t).HookID)
	}
	if version >= 23 {
		wantSame(t, "branch", "trunk", must(db.AppRecords(ctx, "w2"))(t)[0].Branch)
		next := must(db.NextPushLooks(ctx, after(3), after(2), 9))(t)
		if len(next) != 1 || next[0].ID != "p2" {
			t.Errorf("repositories to look at: %+v, want p2", next)
		}
	}
	if version >= 7 {
		want := tenancy.AuditEntry{
			ID: "a1", WorkspaceID: "w1", At: day, Principal: "key:k1", Client: "client", Tool: "apps.deploy",
			Target: "web", Args: "{}", Outcome: "ok",
		}
		wantSame(t, "Audit", []tenancy.AuditEntry{want}, must(db.Audit(ctx, "w1", tenancy.AuditQuery{Limit: 9}))(t))
	}
}

// readProvisioned reads the workspace of migration 9 in rowsOfVersion.
func readProvisioned(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	w := tenancy.Workspace{
		ID: "w2", Slug: "beta", Name: "Beta", GiteaOrg: "vibn-beta", GiteaOrgID: 11, GiteaBot: "vibn-bot-beta",
		Placement: tenancy.Placement{Trust: tenancy.Shared}, Status: tenancy.Partial, CreatedAt: day, UpdatedAt: after(1),
	}
	parts := tenancy.Parts{Org: "vibn-beta", OrgID: 11, TeamID: 12, Bot: "vibn-bot-beta", BotID: 13, TokenID: 14, TokenSealed: "v1.x.w2"}
	want := tenancy.Provision{Workspace: w, Parts: parts, Nonce: "nonce", Wanted: 6, Done: 5}
	wantSame(t, "Provision(w2)", want, must(db.Provision(ctx, "w2"))(t))
	wantSame(t, "Due", []string{"w2"}, must(db.Due(ctx, day, day, 9))(t))
	wantErr(t, "Lease for another run", db.Lease(ctx, "w2", "other", after(1), after(9)), tenancy.ErrConflict)
	check(t, db.Lease(ctx, "w2", "run", after(1), after(9)))
}
