package store_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const personOne = "00000000-0000-4000-8000-0000000000a1" // the first person in each file of testdata/adopt

// The columns that a platform's tables have before they are adopted.
var platformQueries = []string{
	`select id, slug, name, owner_user_id, coolify_project_uuid, coolify_team_id, gitea_org, gitea_bot_username, gitea_bot_user_id,
		gitea_bot_token_encrypted, provision_status, provision_error, created_at, updated_at from vibn_workspaces order by id`,
	`select id, workspace_id, user_id, role, created_at from vibn_workspace_members order by user_id`,
	`select id, data from fs_users order by id`,
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"uuid", "text", "mixed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := platform(t, name)
			var before [][]string
			for _, query := range platformQueries {
				before = append(before, dump(t, db, query))
			}
			wantSame(t, "applied", len(db.Versions()), migrate(t, db))
			for i, query := range platformQueries {
				if len(before[i]) == 0 {
					t.Fatalf("%s: no rows to keep", query)
				}
				wantSame(t, query, before[i], dump(t, db, query))
			}
			wantSame(t, "applied again", 0, migrate(t, db))
			readAdopted(t, db)
			writeAdopted(t, db)
		})
	}
}

func readAdopted(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	wantSame(t, "Workspaces", []string{"first", "second"}, slugs(must(db.Workspaces(ctx))(t)))
	first := must(db.Workspace(ctx, "first"))(t)
	want := tenancy.Workspace{
		ID: first.ID, Slug: "first", Name: "First", OwnerUserID: personOne, CoolifyProject: "p0c4",
		GiteaOrg: "acme", GiteaBot: "acme-bot", Placement: tenancy.Placement{Trust: tenancy.Shared}, Status: tenancy.Ready,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC), UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	wantSame(t, "Workspace(first)", want, first)
	if first.CreatedAt.Location() != time.UTC {
		t.Errorf("CreatedAt = %v, want it in UTC", first.CreatedAt)
	}
	second := must(db.Workspace(ctx, "second"))(t)
	wantSame(t, "trust of a workspace that was adopted", tenancy.Shared, second.Placement.Trust)
	parts := tenancy.Parts{CoolifyProject: "p0c4", Org: "acme", Bot: "acme-bot", BotID: 77, TokenSealed: "sealed by the platform"}
	wantSame(t, "Provision(first)", tenancy.Provision{Workspace: first, Parts: parts}, must(db.Provision(ctx, first.ID))(t))
	wantSame(t, "Provision(second)", tenancy.Provision{Workspace: second}, must(db.Provision(ctx, second.ID))(t))
	wantSame(t, "SealedValues", []tenancy.SealedValue(nil), must(db.SealedValues(ctx))(t))
	wantSame(t, "Due", []string(nil), must(db.Due(ctx, day, day, 9))(t))

	members := must(db.Members(ctx, first.ID))(t)
	if len(members) != 2 {
		t.Fatalf("Members(first) = %v, want two", members)
	}
	one := tenancy.Member{
		WorkspaceID: first.ID, UserID: personOne, Role: tenancy.RoleOwner, Email: "one@example.com", DisplayName: "One",
		CreatedAt: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
	}
	wantSame(t, "first of Members", one, members[0])
	if m := members[1]; m.Email != "" && (m.Email != "two@example.com" || m.DisplayName != "Two") {
		t.Errorf("second of Members = %+v, want the name that fs_users has", m)
	}
	_, role, err := db.Membership(ctx, "first", personOne)
	check(t, err)
	wantSame(t, "role", tenancy.RoleOwner, role)
	wantSame(t, "MemberWorkspaces", []string{"first"}, slugs(must(db.MemberWorkspaces(ctx, personOne))(t)))
}

// writeAdopted does all there is to do in a workspace that was adopted.
func writeAdopted(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	w := must(db.Workspace(ctx, "first"))(t)
	again := tenancy.Workspace{ID: newID(), Slug: "second", CreatedAt: day, UpdatedAt: day, OwnerUserID: personOne}
	wantErr(t, "CreateWorkspace with an adopted slug", db.CreateWorkspace(ctx, again, 0), tenancy.ErrConflict)
	again.Slug = "third"
	check(t, db.CreateWorkspace(ctx, again, 0))
	wantSame(t, "MemberWorkspaces", []string{"first", "third"}, slugs(must(db.MemberWorkspaces(ctx, personOne))(t)))

	provisionAdopted(t, db, w.ID)
	w = must(db.Workspace(ctx, "first"))(t)

	k, digest := newKey(w.ID, "key")
	check(t, db.CreateKey(ctx, k, digest))
	minted := child(t, db, k)
	tokensAdopted(t, db, minted)
	check(t, db.TouchKey(ctx, w.ID, k.ID, day))
	check(t, db.RevokeKey(ctx, w.ID, k.ID, after(1)))
	wantSame(t, "RevokedAt of the child", new(after(1)), keyNow(t, db, minted).RevokedAt)
	_, found, err := db.KeyByDigest(ctx, digest)
	check(t, err)
	wantSame(t, "workspace of KeyByDigest", w, found)

	check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: w.ID, UserID: personOne, Role: tenancy.RoleAdmin, CreatedAt: day}))
	_, role, err := db.Membership(ctx, "first", personOne)
	check(t, err)
	wantSame(t, "role", tenancy.RoleAdmin, role)
	check(t, db.RemoveMember(ctx, w.ID, personOne, day))
	elsewhere := after(2).In(time.FixedZone("", -7*3600)) // updated_at may be without a zone
	check(t, db.SetPlacement(ctx, w.ID, tenancy.Placement{Server: "s1", Trust: tenancy.Dedicated}, elsewhere))
	wantSame(t, "UpdatedAt", after(2), must(db.Workspace(ctx, "first"))(t).UpdatedAt)
	e := tenancy.AuditEntry{ID: newID(), WorkspaceID: w.ID, At: day, Tool: "apps.deploy", Outcome: "started"}
	check(t, db.StartAudit(ctx, e))
	check(t, db.FinishAudit(ctx, w.ID, e.ID, tenancy.AuditFinish{Outcome: "ok"}))
	wantSame(t, "outcome", "ok", must(db.Audit(ctx, w.ID, tenancy.AuditQuery{Limit: 1}))(t)[0].Outcome)
	check(t, db.SetSuspended(ctx, w.ID, new(elsewhere), elsewhere))
	wantSame(t, "SuspendedAt", new(after(2)), must(db.Workspace(ctx, "first"))(t).SuspendedAt)
	check(t, db.SetSuspended(ctx, w.ID, nil, elsewhere))
	check(t, db.DeleteWorkspace(ctx, w.ID, after(3)))
	wantSame(t, "AnyWorkspace(first)", new(after(3)), must(db.AnyWorkspace(ctx, "first"))(t).DeletedAt)
	parts := must(db.Provision(ctx, w.ID))(t).Parts
	check(t, db.SetParts(ctx, w.ID, parts, tenancy.Parts{}))
	wantSame(t, "Workspaces", []string{"second", "third"}, slugs(must(db.Workspaces(ctx))(t)))
	again.ID, again.Slug = newID(), "first"
	wantErr(t, "CreateWorkspace with a deleted slug", db.CreateWorkspace(ctx, again, 0), tenancy.ErrConflict)
}

// provisionAdopted makes the parts of a workspace that a platform had made in its
// own way.
func provisionAdopted(t *testing.T, db *store.DB, id string) {
	t.Helper()
	ctx := t.Context()
	person := tenancy.Person{UserID: personOne, Email: "new@example.com", GiteaUserID: 5}
	w, created, err := db.EnsureWorkspace(ctx, person, tenancy.Workspace{ID: newID(), CreatedAt: day, UpdatedAt: day}, []string{"fourth"})
	check(t, err)
	if created || w.ID != id {
		t.Errorf("EnsureWorkspace = %s, %v, want the oldest, which is there", w.Slug, created)
	}

	check(t, db.RequestProvision(ctx, id))
	wantSame(t, "jobs", []string{"state=available "}, jobsOf(t, db, id))
	check(t, db.Lease(ctx, id, "run", day, after(9)))
	wantErr(t, "Lease by another", db.Lease(ctx, id, "other run", day, after(9)), tenancy.ErrConflict)
	wantSame(t, "KeepNonce", "nonce", must(db.KeepNonce(ctx, id, "nonce"))(t))
	was := must(db.Provision(ctx, id))(t)
	wantSame(t, "People", []int64{5}, was.People)
	is := tenancy.Parts{
		CoolifyProject: "p0c5", Org: "vibn-first", OrgID: number(), TeamID: number(), Bot: "vibn-bot-first", BotID: number(),
		TokenID: number(), TokenSealed: "v1.x.first",
	}
	wantErr(t, "SetParts of what was not", db.SetParts(ctx, id, is, tenancy.Parts{}), tenancy.ErrConflict)
	check(t, db.SetParts(ctx, id, was.Parts, is))
	wantSame(t, "Parts", is, must(db.Provision(ctx, id))(t).Parts)
	wantSame(t, "Due before it is done", true, slices.Contains(must(db.Due(ctx, day, day, 9))(t), id))
	o := tenancy.Outcome{Status: tenancy.Partial, Error: "[]", Reconciled: true}
	wantSame(t, "more", false, must(db.FinishProvision(ctx, id, was.Wanted, o, after(1)))(t))
	check(t, db.Release(ctx, id, "run"))
	wantSame(t, "Due when it is done", false, slices.Contains(must(db.Due(ctx, day, after(1), 9))(t), id))
	wantSame(t, "Due when it is to be reconciled", true, slices.Contains(must(db.Due(ctx, day, after(2), 9))(t), id))

	p := newProject(id, "web")
	check(t, db.CreateProject(ctx, p))
	check(t, db.RecordRepository(ctx, id, p.ID, number(), "vibn-first/web"))
	wantSame(t, "Repository", "vibn-first/web", must(db.Projects(ctx, id))(t)[0].Repository)
	access := tenancy.RepositoryAccess{RepositoryID: number(), Kind: tenancy.Hook, Ref: "1"}
	addAccess(t, db, id, access)
	wantSame(t, "RepositoryAccess", []tenancy.RepositoryAccess{access}, must(db.RepositoryAccess(ctx, id))(t))
}

// tokensAdopted gives a key of a workspace that was adopted a token, and ends it.
func tokensAdopted(t *testing.T, db *store.DB, k tenancy.Key) {
	t.Helper()
	ctx := t.Context()
	token := newToken(k)
	check(t, db.AddBotToken(ctx, token))
	check(t, db.TakeOverBotToken(ctx, token, "second name", after(1)))
	token.Name, token.CreatedAt = "second name", after(1)
	token = filled(token)
	check(t, db.FillBotToken(ctx, token))
	wantSame(t, "BotTokens", []tenancy.BotToken{token}, must(db.BotTokens(ctx, k.WorkspaceID))(t))

	sealed := []tenancy.SealedValue{{Place: tokenPlace(k.WorkspaceID), Value: "v1.x.first"}, {Place: botTokenPlace(token.ID), Value: token.Sealed}}
	wantSame(t, "SealedValues", sealed, must(db.SealedValues(ctx))(t))
	for _, v := range sealed {
		check(t, db.Reseal(ctx, v, "v1.y."+v.Place.Row))
	}
	wantSame(t, "TokenSealed", "v1.y."+k.WorkspaceID, must(db.Provision(ctx, k.WorkspaceID))(t).TokenSealed)
	check(t, db.RevokeEndedTokens(ctx, k.WorkspaceID, after(2), after(2)))
	wantSame(t, "live tokens", 1, len(must(db.BotTokens(ctx, k.WorkspaceID))(t)))
	check(t, db.ForgetTokens(ctx, k.WorkspaceID, after(2)))
	wantSame(t, "SealedValues when all is forgotten", []tenancy.SealedValue(nil), must(db.SealedValues(ctx))(t))
}

// A platform goes on inserting rows as it did before it was adopted.
func TestPlatformGoesOnWriting(t *testing.T) {
	t.Parallel()
	db := adopted(t, "uuid")
	execSQL(t, db, `insert into vibn_workspaces (slug, name) values ('later', 'Later')`)
	w := must(db.Workspace(t.Context(), "later"))(t)
	wantSame(t, "placement", tenancy.Placement{Trust: tenancy.Shared}, w.Placement)
	k, digest := newKey(w.ID, "key")
	check(t, db.CreateKey(t.Context(), k, digest))
}

// Rows that break a rule stop the migration, and nothing is changed.
func TestAdoptionRefuses(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"slug twice":       `insert into vibn_workspaces (slug, name) values ('first', 'Again')`,
		"membership twice": `insert into vibn_workspace_members (workspace_id, user_id) select workspace_id, user_id from vibn_workspace_members`,
		"a table of ours":  `create table vibn_api_keys (id text primary key)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := platform(t, "uuid")
			execSQL(t, db, broken)
			before := dump(t, db, platformQueries[1])
			applied, _, err := db.Migrate(t.Context())
			if err == nil || !strings.Contains(err.Error(), "migrate PostgreSQL") {
				t.Fatalf("Migrate() = %d, %v, want an error", applied, err)
			}
			wantSame(t, "members", before, dump(t, db, platformQueries[1]))
			wantBehind(t, db, true)
		})
	}
}

// A user table that the store's role may not read is left alone.
func TestForbiddenUserTable(t *testing.T) {
	t.Parallel()
	where := must(url.Parse(storetest.Postgres(t)))(t)
	owner := openURL(t, where.String())
	load(t, owner, "uuid")
	migrate(t, owner)
	first := must(owner.Workspace(t.Context(), "first"))(t)

	role := "vibn_test_" + strings.ReplaceAll(newID(), "-", "")
	execSQL(t, owner, `create role `+role)
	t.Cleanup(func() { // roles are the cluster's, and outlive the database
		_, err := owner.Conns().ExecContext(context.Background(), `drop owned by `+role+`; drop role `+role)
		check(t, err)
	})
	execSQL(t, owner, `grant select on vibn_workspace_members, vibn_users to `+role)
	query := where.Query()
	query.Set("role", role)
	where.RawQuery = query.Encode()
	members := must(openURL(t, where.String()).Members(t.Context(), first.ID))(t)
	if len(members) != 2 || members[0].Email != "" {
		t.Errorf("Members = %+v, want two without e-mail", members)
	}
	wantSame(t, "e-mail for the owner of the table", "one@example.com", must(owner.Members(t.Context(), first.ID))(t)[0].Email)
}
