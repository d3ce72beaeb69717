package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// An isolation is a call on behalf of workspace a that could reach b.
type isolation struct {
	name string
	call func(ctx context.Context, db *store.DB, a, b tenant) (answer any, err error)
	want error // nil: the call succeeds, and its answer holds nothing of b
	all  bool  // by design the answer is about every workspace
}

// only is the answer of methods that return an error alone.
func only(err error) (any, error) { return nil, err }

// isolations has a case for every method of tenancytest.Store.
var isolations = map[string][]isolation{
	"KeyByDigest": {{name: "own key", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		k, w, err := db.KeyByDigest(ctx, a.digest)
		return []any{k, w}, err
	}}},
	"CreateKey": {
		{name: "parent of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, digest := newKey(a.ws.ID, "new")
			k.ParentID = b.key.ID
			return only(db.CreateKey(ctx, k, digest))
		}},
		{name: "id of b's key", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, digest := newKey(a.ws.ID, "new")
			k.ID = b.key.ID
			return only(db.CreateKey(ctx, k, digest))
		}},
		{name: "digest of b's key", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, _ := newKey(a.ws.ID, "new")
			return only(db.CreateKey(ctx, k, b.digest))
		}},
	},
	"Keys": {
		{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return db.Keys(ctx, a.ws.ID, allKeys)
		}},
		{name: "in force after b's", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Keys(ctx, a.ws.ID, people.KeyQuery{State: people.KeysInForce, At: day, After: b.key.ID, Limit: 9})
		}},
		{name: "ended after b's", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Keys(ctx, a.ws.ID, people.KeyQuery{State: people.KeysEnded, At: day, After: b.key.ID, Limit: 9})
		}},
	},
	"KeyNames": {{name: "of b's key", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		names, err := db.KeyNames(ctx, a.ws.ID, []string{a.key.ID, b.key.ID})
		if len(names) != 1 {
			err = fmt.Errorf("%d names, want that of a's own key", len(names))
		}
		return names, err
	}}},
	"RevokeKey": {
		{name: "key of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RevokeKey(ctx, a.ws.ID, b.key.ID, after(1)))
		}},
		{name: "own key", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.RevokeKey(ctx, a.ws.ID, a.key.ID, after(1)))
		}},
	},
	"TouchKey": {{name: "key of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.TouchKey(ctx, a.ws.ID, b.key.ID, after(1)))
	}}},
	"CreateWorkspace": {
		{name: "slug of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = newID(), b.ws.Slug, ""
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
		{name: "id of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = b.ws.ID, "gamma", ""
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
		{name: "project of b", want: tenancy.ErrProjectTaken, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = newID(), "gamma", b.ws.CoolifyProject
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
	},
	"Workspace": {{name: "own slug", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Workspace(ctx, a.ws.Slug)
	}}},
	"Workspaces": {{name: "list", all: true, call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.Workspaces(ctx)
	}}},
	"SetPlacement": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.SetPlacement(ctx, a.ws.ID, tenancy.Placement{Server: "other"}, after(1)))
	}}},
	"DeleteWorkspace": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.DeleteWorkspace(ctx, a.ws.ID, after(1)))
	}}},
	"Membership": {
		{name: "person of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w, role, err := db.Membership(ctx, a.ws.Slug, b.user)
			return []any{w, role}, err
		}},
		{name: "slug of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w, role, err := db.Membership(ctx, b.ws.Slug, a.user)
			return []any{w, role}, err
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			w, role, err := db.Membership(ctx, a.ws.Slug, a.user)
			return []any{w, role}, err
		}},
	},
	"MemberWorkspaces": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.MemberWorkspaces(ctx, a.user)
	}}},
	"SetMember": {{name: "person of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: b.user, Role: tenancy.RoleMember, CreatedAt: day}))
	}}},
	"Members": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Members(ctx, a.ws.ID)
	}}},
	"RemoveMember": {{name: "person of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.RemoveMember(ctx, a.ws.ID, b.user, after(1)))
	}}},
	"EnsureWorkspace": {
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			p := tenancy.Person{UserID: a.user, Email: "a@example.com", GiteaUserID: number()}
			w, _, err := db.EnsureWorkspace(ctx, p, tenancy.Workspace{}, nil)
			return w, err
		}},
		{name: "slug of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := tenancy.Workspace{ID: newID(), CreatedAt: day, UpdatedAt: day}
			w, _, err := db.EnsureWorkspace(ctx, tenancy.Person{UserID: newID()}, w, []string{a.ws.Slug, b.ws.Slug})
			return w, err
		}},
		{name: "id of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, _, b tenant) (any, error) {
			w := tenancy.Workspace{ID: b.ws.ID, CreatedAt: day, UpdatedAt: day}
			w, _, err := db.EnsureWorkspace(ctx, tenancy.Person{UserID: newID()}, w, []string{"gamma"})
			return w, err
		}},
	},
	"CreateWorkspaceAudited": {
		{
			name: "slug of b", want: tenancy.ErrConflict,
			call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
				w := a.ws
				w.ID, w.Slug, w.CoolifyProject = newID(), b.ws.Slug, ""
				return only(db.CreateWorkspaceAudited(ctx, w, 0, newEntry(w.ID)))
			},
		},
		{name: "trail of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = newID(), "audited-"+a.ws.Slug, ""
			return only(db.CreateWorkspaceAudited(ctx, w, 0, newEntry(b.ws.ID)))
		}},
		{
			name: "entry of b", want: tenancy.ErrConflict,
			call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
				w, e := a.ws, newEntry(a.ws.ID)
				w.ID, w.Slug, w.CoolifyProject, e.ID = newID(), "entry-"+a.ws.Slug, "", b.entry.ID
				return only(db.CreateWorkspaceAudited(ctx, w, 0, e))
			},
		},
	},
	"EnsureWorkspaceAudited": {
		{name: "own", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			p := tenancy.Person{UserID: a.user, Email: "a@example.com", GiteaUserID: number()}
			w, _, err := db.EnsureWorkspaceAudited(ctx, p, tenancy.Workspace{}, nil, newEntry(b.ws.ID))
			return w, err
		}},
		{
			name: "slug of b", want: tenancy.ErrConflict,
			call: func(ctx context.Context, db *store.DB, _, b tenant) (any, error) {
				w := tenancy.Workspace{ID: newID(), CreatedAt: day, UpdatedAt: day}
				p := tenancy.Person{UserID: newID()}
				w, _, err := db.EnsureWorkspaceAudited(ctx, p, w, []string{b.ws.Slug}, newEntry(w.ID))
				return w, err
			},
		},
		{name: "trail of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := tenancy.Workspace{ID: newID(), CreatedAt: day, UpdatedAt: day}
			p := tenancy.Person{UserID: newID()}
			w, _, err := db.EnsureWorkspaceAudited(ctx, p, w, []string{"ensured-" + a.ws.Slug}, newEntry(b.ws.ID))
			return w, err
		}},
	},
	"AnyWorkspace": {{name: "own slug", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.AnyWorkspace(ctx, a.ws.Slug)
	}}},
	"SetSuspended": {
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.SetSuspended(ctx, a.ws.ID, new(after(1)), after(1)))
		}},
		{name: "own, lifted", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.SetSuspended(ctx, a.ws.ID, nil, after(1)))
		}},
	},
	"Provision": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Provision(ctx, a.ws.ID)
	}}},
	"RequestProvision": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.RequestProvision(ctx, a.ws.ID))
	}}},
	"Lease": {
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.Lease(ctx, a.ws.ID, "run", after(1), after(2)))
		}},
		{name: "own, held", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			if err := db.Lease(ctx, a.ws.ID, "run", after(1), after(9)); err != nil {
				return nil, err
			}
			return only(db.Lease(ctx, a.ws.ID, "other run", after(2), after(9)))
		}},
	},
	"Release": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.Release(ctx, a.ws.ID, "run"))
	}}},
	"KeepNonce": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.KeepNonce(ctx, a.ws.ID, "other")
	}}},
	"SetParts": {
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			is := a.parts
			is.TeamID = number()
			return only(db.SetParts(ctx, a.ws.ID, a.parts, is))
		}},
		{name: "as b's were", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.SetParts(ctx, a.ws.ID, b.parts, tenancy.Parts{}))
		}},
		{name: "project of b", want: tenancy.ErrProjectTaken, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			is := a.parts
			is.CoolifyProject = b.ws.CoolifyProject
			return only(db.SetParts(ctx, a.ws.ID, a.parts, is))
		}},
	},
	"FinishProvision": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.FinishProvision(ctx, a.ws.ID, 1, tenancy.Outcome{Status: tenancy.Partial, Error: "[]", Reconciled: true}, after(1))
	}}},
	"Due": {{name: "list", all: true, call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.Due(ctx, after(1), after(1), 10_000)
	}}},
	"ForgetTokens": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.ForgetTokens(ctx, a.ws.ID, after(1)))
	}}},
	"AddBotToken": {
		{name: "key of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			token := newToken(b.key)
			token.WorkspaceID = a.ws.ID
			return only(db.AddBotToken(ctx, token))
		}},
		{name: "id of b's token", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			if err := db.ForgetTokens(ctx, a.ws.ID, after(1)); err != nil {
				return nil, err
			}
			token := newToken(a.key)
			token.ID = b.token.ID
			return only(db.AddBotToken(ctx, token))
		}},
	},
	"FillBotToken": {{name: "token of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		token := filled(b.begun)
		token.WorkspaceID = a.ws.ID
		return only(db.FillBotToken(ctx, token))
	}}},
	"TakeOverBotToken": {{name: "token of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		token := b.begun
		token.WorkspaceID = a.ws.ID
		return only(db.TakeOverBotToken(ctx, token, "other", after(1)))
	}}},
	"EndBotToken": {
		{name: "token of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.EndBotToken(ctx, a.ws.ID, b.token.ID, after(1)))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.EndBotToken(ctx, a.ws.ID, a.token.ID, after(1)))
		}},
	},
	"BotTokens": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.BotTokens(ctx, a.ws.ID)
	}}},
	"RevokeEndedTokens": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		if err := db.SetSuspended(ctx, a.ws.ID, new(after(1)), after(1)); err != nil {
			return nil, err
		}
		return only(db.RevokeEndedTokens(ctx, a.ws.ID, after(2), after(2)))
	}}},
	"TokensDue": {{name: "list", all: true, call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.TokensDue(ctx, after(1), after(1))
	}}},
	"EndedTokens": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		if err := db.EndBotToken(ctx, a.ws.ID, a.token.ID, after(1)); err != nil {
			return nil, err
		}
		return db.EndedTokens(ctx, a.ws.ID, after(2))
	}}},
	"TokenGone": {
		{name: "token of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.TokenGone(ctx, a.ws.ID, b.token.ID, after(1)))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			if err := db.EndBotToken(ctx, a.ws.ID, a.token.ID, after(1)); err != nil {
				return nil, err
			}
			return only(db.TokenGone(ctx, a.ws.ID, a.token.ID, after(2)))
		}},
	},
	"CreateProject": {
		{name: "slug of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.CreateProject(ctx, newProject(a.ws.ID, b.project.Slug)))
		}},
		{name: "id of b's project", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			p := newProject(a.ws.ID, "other")
			p.ID = b.project.ID
			return only(db.CreateProject(ctx, p))
		}},
	},
	"Projects": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Projects(ctx, a.ws.ID)
	}}},
	"RecordRepository": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RecordRepository(ctx, a.ws.ID, b.project.ID, b.project.RepositoryID, "other/name"))
		}},
		{name: "repository of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			p := newProject(a.ws.ID, "other")
			if err := db.CreateProject(ctx, p); err != nil {
				return nil, err
			}
			return only(db.RecordRepository(ctx, a.ws.ID, p.ID, b.project.RepositoryID, b.project.Repository))
		}},
	},
	"DropProject": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.DropProject(ctx, a.ws.ID, b.project.ID))
		}},
		{name: "own project with a repository", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.DropProject(ctx, a.ws.ID, a.project.ID))
		}},
		{name: "own project", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			p := newProject(a.ws.ID, "other")
			if err := db.CreateProject(ctx, p); err != nil {
				return nil, err
			}
			return only(db.DropProject(ctx, a.ws.ID, p.ID))
		}},
	},
	"RepositoryAccess": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.RepositoryAccess(ctx, a.ws.ID)
	}}},
	"RecordDeployKey": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RecordDeployKey(ctx, a.ws.ID, b.project.ID, "key", "ssh-ed25519 AAAA"))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.RecordDeployKey(ctx, a.ws.ID, a.project.ID, "key", "ssh-ed25519 AAAA"))
		}},
	},
	"ForgetDeployKey": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.ForgetDeployKey(ctx, a.ws.ID, b.project.ID, "key"))
		}},
	},
	"ForgetRepository": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.ForgetRepository(ctx, a.ws.ID, b.project.ID, b.project.RepositoryID, "nonce"))
		}},
	},
	"RequestRename": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.RequestRename(ctx, a.ws.ID, true))
	}}},
	"NoteDeliveries": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.NoteDeliveries(ctx, a.ws.ID, tenancy.Deliveries{Taken: new(day)}))
	}}},
	"SetAccess": {{name: "own", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		of := tenancy.RepositoryAccess{RepositoryID: b.project.RepositoryID, Kind: tenancy.Hook, Ref: "1"}
		return only(db.SetAccess(ctx, a.ws.ID, of, true, day))
	}}},
	"RequestPush": {
		{name: "repository of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RequestPush(ctx, a.ws.ID, b.project.RepositoryID, "digest"))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.RequestPush(ctx, a.ws.ID, a.project.RepositoryID, "digest"))
		}},
	},
	"NextPushLooks": {{name: "list of all that is due, which is none", call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.NextPushLooks(ctx, day, time.Unix(0, 0), 10_000)
	}}},
	"FinishPush": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.FinishPush(ctx, a.ws.ID, b.project.ID, 1)
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return db.FinishPush(ctx, a.ws.ID, a.project.ID, 1)
		}},
	},
	"CreateApp": {
		{name: "project of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			r := newApp(b.project, "other")
			r.WorkspaceID = a.ws.ID
			return only(db.CreateApp(ctx, r))
		}},
		{name: "id of b's app", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			r := newApp(a.project, "other")
			r.ID = b.app.ID
			return only(db.CreateApp(ctx, r))
		}},
		{name: "name of b's app", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.CreateApp(ctx, newApp(a.project, b.app.Name)))
		}},
	},
	"AppRecords": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.AppRecords(ctx, a.ws.ID)
	}}},
	"RecordApp": {
		{name: "app of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RecordApp(ctx, a.ws.ID, b.app.ID, b.app.UUID, false))
		}},
		{name: "uuid of b's app", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			r := newApp(a.project, "other")
			if err := db.CreateApp(ctx, r); err != nil {
				return nil, err
			}
			return only(db.RecordApp(ctx, a.ws.ID, r.ID, b.app.UUID, true))
		}},
	},
	"RecordVersion": {{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.RecordVersion(ctx, a.ws.ID, b.app.UUID, hosting.AppVersion{Commit: "c9", Deployment: "d9", Live: true, At: after(1)}))
	}}},
	"AppVersions": {{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return db.AppVersions(ctx, a.ws.ID, b.app.UUID)
	}}},
	"KeepLog": {
		{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.KeepLog(ctx, a.ws.ID, hosting.KeptLog{ID: newID(), App: b.app.UUID, Sealed: "v1.y", At: after(1)}))
		}},
		{name: "id of b's log", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			theirs, err := db.KeptLog(ctx, b.ws.ID, b.app.UUID)
			if err != nil {
				return nil, err
			}
			return only(db.KeepLog(ctx, a.ws.ID, hosting.KeptLog{ID: theirs.ID, App: "another", Sealed: "v1.y", At: after(1)}))
		}},
	},
	"KeepValues": {
		{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			v := hosting.KeptValue{ID: newID(), Sealed: "v1.y", At: after(1)}
			return only(db.KeepValues(ctx, a.ws.ID, b.app.UUID, []hosting.KeptValue{v}))
		}},
		{name: "id of b's value", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			theirs, err := db.KeptValues(ctx, b.ws.ID, b.app.UUID)
			if err != nil {
				return nil, err
			}
			theirs[0].Ended = new(after(1))
			return only(db.KeepValues(ctx, a.ws.ID, b.app.UUID, theirs))
		}},
	},
	"KeptValues": {{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return db.KeptValues(ctx, a.ws.ID, b.app.UUID)
	}}},
	"KeptLog": {{name: "app of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		l, err := db.KeptLog(ctx, a.ws.ID, b.app.UUID)
		return l.Sealed, err
	}}},
	"ForgetApp": {{name: "app of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.ForgetApp(ctx, a.ws.ID, b.app.UUID))
	}}},
	"SetAppPush": {{name: "app of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		was := b.app
		was.WorkspaceID = a.ws.ID
		is := was
		is.Head = "other"
		return only(db.SetAppPush(ctx, was, is))
	}}},
	"MarkAppDeleting": {{name: "app of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.MarkAppDeleting(ctx, a.ws.ID, b.app.ID, after(1)))
	}}},
	"DropApp": {
		{name: "app of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.DropApp(ctx, a.ws.ID, b.app.ID))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.DropApp(ctx, a.ws.ID, a.app.ID))
		}},
	},
	"CreateDatabase": {
		{name: "id of b's database", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			r := newDatabase(a.ws.ID, "other")
			r.ID = b.data.ID
			return only(db.CreateDatabase(ctx, r))
		}},
		{name: "name of b's database", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.CreateDatabase(ctx, newDatabase(a.ws.ID, b.data.Name)))
		}},
	},
	"DatabaseRecords": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.DatabaseRecords(ctx, a.ws.ID)
	}}},
	"RecordDatabase": {
		{name: "database of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			b.data.WorkspaceID = a.ws.ID
			return only(db.RecordDatabase(ctx, b.data, b.data.UUID, "v1.x.other"))
		}},
		{name: "uuid of b's database", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			r := newDatabase(a.ws.ID, "other")
			if err := db.CreateDatabase(ctx, r); err != nil {
				return nil, err
			}
			return only(db.RecordDatabase(ctx, r, b.data.UUID, "v1.x.other"))
		}},
	},
	"TakeOverDatabase": {{name: "database of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		b.data.WorkspaceID = a.ws.ID
		return only(db.TakeOverDatabase(ctx, b.data, after(1)))
	}}},
	"MarkDatabaseDeleting": {{name: "database of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.MarkDatabaseDeleting(ctx, a.ws.ID, b.data.ID, after(1)))
	}}},
	"DropDatabase": {
		{name: "database of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.DropDatabase(ctx, a.ws.ID, b.data.ID))
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.DropDatabase(ctx, a.ws.ID, a.data.ID))
		}},
	},
	"SetPlan": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.SetPlan(ctx, a.ws.ID, tenancy.Plan{Memory: "1g"}, after(1)))
	}}},
	"ClaimKey": {{name: "key of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		if err := db.ClaimKey(ctx, b.ws.ID, "apps.create", "key", "digest of b", after(1)); err != nil {
			return nil, err
		}
		return only(db.ClaimKey(ctx, a.ws.ID, "apps.create", "key", "digest of a", after(1)))
	}}},
	"SealedValues": {{name: "list", all: true, call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.SealedValues(ctx)
	}}},
	"Reseal": {
		{name: "own place, value of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.Reseal(ctx, tenancy.SealedValue{Place: tokenPlace(a.ws.ID), Value: b.parts.TokenSealed}, "new"))
		}},
		{name: "token of b, own value", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.Reseal(ctx, tenancy.SealedValue{Place: botTokenPlace(b.token.ID), Value: a.token.Sealed}, "new"))
		}},
	},
	"User": {{name: "own", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.User(ctx, a.user) // of whom nothing is kept
	}}},
	"UserByIdentity": {{name: "own", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		for _, x := range []tenant{a, b} {
			if err := db.KeepUser(ctx, tenancy.User{ID: x.user, Issuer: "https://id.example.com", Subject: "subject " + x.ws.Slug}); err != nil {
				return nil, err
			}
		}
		return db.UserByIdentity(ctx, "https://id.example.com", "subject "+a.ws.Slug)
	}}},
	"KeepUser": {{name: "identity of b's person", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		if err := db.KeepUser(ctx, tenancy.User{ID: b.user, Issuer: "https://id.example.com", Subject: b.ws.Slug}); err != nil {
			return nil, err
		}
		return only(db.KeepUser(ctx, tenancy.User{ID: a.user, Issuer: "https://id.example.com", Subject: b.ws.Slug}))
	}}},
	"KeepGiteaUser": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.KeepGiteaUser(ctx, a.user, number()))
	}}},
	"SignOut": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.SignOut(ctx, a.user, after(1)))
	}}},
	"AddLoginLink": {
		{name: "id of b's link", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			l, digest := newLink(a.ws.ID)
			l.ID = b.link.ID
			return only(db.AddLoginLink(ctx, l, digest))
		}},
		{name: "digest of b's link", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			l, _ := newLink(a.ws.ID)
			return only(db.AddLoginLink(ctx, l, b.opens))
		}},
	},
	"LoginLink": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		l, w, err := db.LoginLink(ctx, a.opens)
		return []any{l, w}, err
	}}},
	"LoginLinks": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.LoginLinks(ctx, a.ws.ID)
	}}},
	"WithdrawLoginLink": {{name: "link of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.WithdrawLoginLink(ctx, a.ws.ID, b.link.ID, after(1)))
	}}},
	"UseLoginLink": {
		{name: "link of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			l := b.link
			l.WorkspaceID = a.ws.ID
			return only(db.UseLoginLink(ctx, l, tenancy.Person{UserID: newID()}, after(1)))
		}},
		{name: "own, by b's person", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.UseLoginLink(ctx, a.link, tenancy.Person{UserID: b.user}, after(1)))
		}},
	},
	"ChangeMember": {
		{name: "person of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.ChangeMember(ctx, a.ws.ID, b.user, tenancy.RoleAdmin, after(1)))
		}},
		{name: "own, the only owner", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.ChangeMember(ctx, a.ws.ID, a.user, "", after(1)))
		}},
		{name: "own, with a key", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			err := db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: b.user, Role: tenancy.RoleAdmin, CreatedAt: day})
			if err != nil {
				return nil, err
			}
			k, digest := newKey(a.ws.ID, "of b's person")
			k.CreatedBy = b.user
			if err := db.CreateKey(ctx, k, digest); err != nil {
				return nil, err
			}
			return only(db.ChangeMember(ctx, a.ws.ID, b.user, "", after(1)))
		}},
	},
	"StartAudit": {{name: "id of b's entry", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		e := a.entry
		e.ID = b.entry.ID
		return only(db.StartAudit(ctx, e))
	}}},
	"FinishAudit": {{name: "a refusal like b's", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		e := b.entry
		e.ID, e.WorkspaceID = newID(), a.ws.ID
		return only(errors.Join(db.StartAudit(ctx, e), db.FinishAudit(ctx, a.ws.ID, e.ID, refusal)))
	}}, {name: "entry of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.FinishAudit(ctx, a.ws.ID, b.entry.ID, tenancy.AuditFinish{Target: "x", Outcome: "ok"}))
	}}},
	"Audit": {
		{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Limit: 100})
		}},
		{name: "target of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Target: b.entry.Target, Limit: 100})
		}},
		{name: "by b's key", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Principal: b.entry.Principal, Limit: 100})
		}},
		{name: "after b's entry", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{BeforeAt: after(9), BeforeID: b.entry.ID, Limit: 100})
		}},
	},
}

func TestEveryMethodHasAnIsolationCase(t *testing.T) {
	methods := reflect.TypeFor[tenancytest.Store]()
	for m := range methods.Methods() {
		if len(isolations[m.Name]) == 0 {
			t.Errorf("%s has no case in isolations", m.Name)
		}
	}
	if len(isolations) != methods.NumMethod() {
		t.Errorf("isolations has %d methods, tenancytest.Store %d", len(isolations), methods.NumMethod())
	}
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		n := 0
		for method, cases := range isolations {
			for _, tc := range cases {
				n++
				a, b := newTenant(t, db, fmt.Sprint("alpha-", n)), newTenant(t, db, fmt.Sprint("beta-", n))
				b.begun = newToken(child(t, db, b.key))
				check(t, db.AddBotToken(t.Context(), b.begun))
				t.Run(method+"/"+tc.name, func(t *testing.T) { tc.run(t, db, a, b) })
			}
		}
	})
}

func (tc isolation) run(t *testing.T, db *store.DB, a, b tenant) {
	before := rowsOf(t, db, b)
	answer, err := tc.call(t.Context(), db, a, b)
	wantErr(t, "error", err, tc.want)
	if !tc.all {
		text := fmt.Sprintf("%+v", answer)
		for _, theirs := range []string{
			b.link.ID, b.ws.ID, b.ws.Slug, b.key.ID, b.key.Last4, b.user, b.entry.ID, b.token.ID, b.begun.ID, b.project.ID, b.access.Ref,
			b.app.ID, b.app.UUID, b.data.ID, b.data.UUID, b.parts.Destination, fmt.Sprint(b.parts.HookID),
			fmt.Sprint(b.parts.OrgID), fmt.Sprint(b.parts.TeamID), fmt.Sprint(b.parts.BotID), fmt.Sprint(b.parts.TokenID),
			fmt.Sprint(b.token.GiteaID), fmt.Sprint(b.project.RepositoryID),
		} {
			if strings.Contains(text, theirs) {
				t.Errorf("the answer holds %q of b: %s", theirs, text)
			}
		}
	}
	wantSame(t, "rows of b", before, rowsOf(t, db, b))
}

// rowsOf returns every row of a workspace, from every table.
func rowsOf(t *testing.T, db *store.DB, of tenant) []string {
	t.Helper()
	rows := dump(t, db, `select * from vibn_workspaces where id = $1`, of.ws.ID)
	for _, table := range []string{
		"vibn_workspace_members", "vibn_api_keys", "vibn_audit", "vibn_bot_tokens", "vibn_projects", "vibn_repository_access", "vibn_login_links",
		"vibn_apps", "vibn_databases",
	} {
		found := dump(t, db, `select * from `+table+` where workspace_id = $1 order by id`, of.ws.ID)
		if len(found) == 0 {
			t.Fatalf("%s has no row of %s to compare", table, of.ws.Slug)
		}
		rows = append(rows, found...)
	}
	for _, table := range []string{"vibn_app_versions", "vibn_crash_logs", "vibn_env_values"} {
		found := dump(t, db, `select * from `+table+` where workspace_id = $1 order by app_uuid`, of.ws.ID)
		if len(found) == 0 {
			t.Fatalf("%s has no row of %s to compare", table, of.ws.Slug)
		}
		rows = append(rows, found...)
	}
	return append(rows, jobsOf(t, db, of.ws.ID)...)
}

// Ids that are none are like ids of nothing, whatever the type of the column.
func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		for _, id := range []string{
			"", " ", "x", "1", "NULL", "'", "%", "\x00", "\xff", "é", newID() + "x", "{" + a.ws.ID, "0", "-1",
			strings.Repeat("a", 10_000), "urn:uuid:" + newID(), "00000000-0000-0000-0000-000000000000",
		} {
			for what, err := range askFor(t, db, a, id) {
				wantErr(t, fmt.Sprintf("%s with %.40q", what, id), err, tenancy.ErrNotFound)
			}
		}
	})
}

// askFor asks for things by an id that is none, and returns the errors. Lists
// are checked to be empty.
func askFor(t *testing.T, db *store.DB, a tenant, id string) map[string]error {
	t.Helper()
	ctx := t.Context()
	for what, list := range map[string]func() (any, error){
		"Keys": func() (any, error) { return db.Keys(ctx, id, allKeys) },
		"Keys after": func() (any, error) {
			return db.Keys(ctx, a.ws.ID, people.KeyQuery{At: day, State: people.KeysEnded, After: id, Limit: 1})
		},
		"KeyNames":         func() (any, error) { return db.KeyNames(ctx, id, []string{a.key.ID}) },
		"KeyNames of":      func() (any, error) { return db.KeyNames(ctx, a.ws.ID, []string{id}) },
		"Members":          func() (any, error) { return db.Members(ctx, id) },
		"BotTokens":        func() (any, error) { return db.BotTokens(ctx, id) },
		"EndedTokens":      func() (any, error) { return db.EndedTokens(ctx, id, after(1)) },
		"Projects":         func() (any, error) { return db.Projects(ctx, id) },
		"RepositoryAccess": func() (any, error) { return db.RepositoryAccess(ctx, id) },
		"AppRecords":       func() (any, error) { return db.AppRecords(ctx, id) },
		"AppVersions":      func() (any, error) { return db.AppVersions(ctx, id, a.app.UUID) },
		"KeptValues":       func() (any, error) { return db.KeptValues(ctx, id, a.app.UUID) },
		"KeptValues of":    func() (any, error) { return db.KeptValues(ctx, a.ws.ID, id) },
		"AppVersions of":   func() (any, error) { return db.AppVersions(ctx, a.ws.ID, id) },
		"DatabaseRecords":  func() (any, error) { return db.DatabaseRecords(ctx, id) },
		"LoginLinks":       func() (any, error) { return db.LoginLinks(ctx, id) },
		"MemberWorkspaces": func() (any, error) { return db.MemberWorkspaces(ctx, id) },
		"Audit":            func() (any, error) { return db.Audit(ctx, id, tenancy.AuditQuery{Limit: 1}) },
		"Audit after": func() (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{BeforeAt: day, BeforeID: id, Tool: id, Target: "none", Limit: 1})
		},
	} {
		got, err := list()
		if err != nil || reflect.ValueOf(got).Len() != 0 {
			t.Errorf("%s of %.40q = %v, %v, want none", what, id, got, err)
		}
	}
	_, noSlug := db.Workspace(ctx, id)
	_, _, noMember := db.Membership(ctx, a.ws.Slug, id)
	_, _, noWorkspace := db.Membership(ctx, id, a.user)
	k, digest := newKey(id, "new")
	_, noAny := db.AnyWorkspace(ctx, id)
	_, noProvision := db.Provision(ctx, id)
	_, noNonce := db.KeepNonce(ctx, id, "nonce")
	_, noOutcome := db.FinishProvision(ctx, id, 1, tenancy.Outcome{Status: tenancy.Ready, Reconciled: true}, day)
	check(t, db.RevokeEndedTokens(ctx, id, day, day)) // there are none
	inWorkspace, ofKey, withID, dataWithID := a.token, newToken(a.key), a.token, a.data
	inWorkspace.WorkspaceID, ofKey.KeyID, withID.ID, dataWithID.ID = id, id, id, id
	link, opens := newLink(id)
	appIn, appOf, push := newApp(a.project, "other"), newApp(a.project, "other"), a.app
	appIn.WorkspaceID, appOf.ProjectID, push.ID = id, id, id
	_, noPush := db.FinishPush(ctx, a.ws.ID, id, 1)
	_, noUser := db.User(ctx, id)
	_, noIdentity := db.UserByIdentity(ctx, id, id)
	return map[string]error{
		"User":                        noUser,
		"UserByIdentity":              noIdentity,
		"AddLoginLink":                db.AddLoginLink(ctx, link, opens),
		"WithdrawLoginLink":           db.WithdrawLoginLink(ctx, a.ws.ID, id, day),
		"WithdrawLoginLink in":        db.WithdrawLoginLink(ctx, id, a.link.ID, day),
		"UseLoginLink":                db.UseLoginLink(ctx, tenancy.LoginLink{ID: id, WorkspaceID: a.ws.ID, Role: tenancy.RoleMember}, tenancy.Person{UserID: newID()}, day),
		"ChangeMember":                db.ChangeMember(ctx, a.ws.ID, id, tenancy.RoleAdmin, day),
		"ChangeMember in workspace":   db.ChangeMember(ctx, id, a.user, tenancy.RoleAdmin, day),
		"Workspace":                   noSlug,
		"Membership of user":          noMember,
		"Membership in workspace":     noWorkspace,
		"CreateKey":                   db.CreateKey(ctx, k, digest),
		"RevokeKey in workspace":      db.RevokeKey(ctx, id, a.key.ID, day),
		"RevokeKey":                   db.RevokeKey(ctx, a.ws.ID, id, day),
		"TouchKey in workspace":       db.TouchKey(ctx, id, a.key.ID, day),
		"TouchKey":                    db.TouchKey(ctx, a.ws.ID, id, day),
		"SetPlacement":                db.SetPlacement(ctx, id, tenancy.Placement{}, day),
		"DeleteWorkspace":             db.DeleteWorkspace(ctx, id, day),
		"SetMember in workspace":      db.SetMember(ctx, tenancy.Member{WorkspaceID: id, UserID: a.user, CreatedAt: day}),
		"RemoveMember from workspace": db.RemoveMember(ctx, id, a.user, day),
		"RemoveMember":                db.RemoveMember(ctx, a.ws.ID, id, day),
		"StartAudit in workspace":     db.StartAudit(ctx, tenancy.AuditEntry{ID: newID(), WorkspaceID: id, At: day}),
		"FinishAudit in workspace":    db.FinishAudit(ctx, id, a.entry.ID, tenancy.AuditFinish{}),
		"FinishAudit":                 db.FinishAudit(ctx, a.ws.ID, id, tenancy.AuditFinish{}),

		"AnyWorkspace":                  noAny,
		"SetSuspended":                  db.SetSuspended(ctx, id, &day, day),
		"SetSuspended to nil":           db.SetSuspended(ctx, id, nil, day),
		"Provision":                     noProvision,
		"RequestProvision":              db.RequestProvision(ctx, id),
		"Lease":                         db.Lease(ctx, id, "run", day, after(1)),
		"Release":                       db.Release(ctx, id, "run"),
		"KeepNonce":                     noNonce,
		"SetParts":                      db.SetParts(ctx, id, tenancy.Parts{}, a.parts),
		"FinishProvision":               noOutcome,
		"ForgetTokens":                  db.ForgetTokens(ctx, id, day),
		"AddBotToken in workspace":      db.AddBotToken(ctx, inWorkspace),
		"AddBotToken":                   db.AddBotToken(ctx, ofKey),
		"FillBotToken in workspace":     db.FillBotToken(ctx, inWorkspace),
		"FillBotToken":                  db.FillBotToken(ctx, withID),
		"TakeOverBotToken in workspace": db.TakeOverBotToken(ctx, inWorkspace, "name", day),
		"TakeOverBotToken":              db.TakeOverBotToken(ctx, withID, "name", day),
		"EndBotToken in workspace":      db.EndBotToken(ctx, id, a.token.ID, day),
		"EndBotToken":                   db.EndBotToken(ctx, a.ws.ID, id, day),
		"TokenGone in workspace":        db.TokenGone(ctx, id, a.token.ID, day),
		"TokenGone":                     db.TokenGone(ctx, a.ws.ID, id, day),
		"CreateProject in workspace":    db.CreateProject(ctx, newProject(id, "other")),
		"RecordRepository in workspace": db.RecordRepository(ctx, id, a.project.ID, 1, "x/y"),
		"RecordRepository":              db.RecordRepository(ctx, a.ws.ID, id, 1, "x/y"),
		"RecordDeployKey":               db.RecordDeployKey(ctx, a.ws.ID, id, "key", "public"),
		"ForgetDeployKey":               db.ForgetDeployKey(ctx, a.ws.ID, id, "key"),
		"ForgetRepository":              db.ForgetRepository(ctx, a.ws.ID, id, 1, "nonce"),
		"RequestRename":                 db.RequestRename(ctx, id, true),
		"NoteDeliveries":                db.NoteDeliveries(ctx, id, tenancy.Deliveries{Taken: new(day)}),
		"SetAccess":                     db.SetAccess(ctx, id, tenancy.RepositoryAccess{RepositoryID: 1, Kind: tenancy.Hook, Ref: "1"}, true, day),
		"RequestPush in workspace":      db.RequestPush(ctx, id, a.project.RepositoryID, "digest"),
		"FinishPush":                    noPush,
		"CreateApp in workspace":        db.CreateApp(ctx, appIn),
		"CreateApp of project":          db.CreateApp(ctx, appOf),
		"RecordApp in workspace":        db.RecordApp(ctx, id, a.app.ID, "uuid", true),
		"RecordApp":                     db.RecordApp(ctx, a.ws.ID, id, "uuid", true),
		"SetAppPush":                    db.SetAppPush(ctx, push, push),
		"RecordVersion":                 db.RecordVersion(ctx, id, a.app.UUID, hosting.AppVersion{Commit: "c"}),
		"KeepLog":                       db.KeepLog(ctx, id, hosting.KeptLog{ID: newID(), App: a.app.UUID}),
		"KeptLog":                       err2(db.KeptLog(ctx, id, a.app.UUID)),
		"KeepValues":                    db.KeepValues(ctx, id, a.app.UUID, []hosting.KeptValue{{ID: newID()}}),
		"KeptLog of":                    err2(db.KeptLog(ctx, a.ws.ID, id)),
		"MarkAppDeleting in workspace":  db.MarkAppDeleting(ctx, id, a.app.ID, day),
		"MarkAppDeleting":               db.MarkAppDeleting(ctx, a.ws.ID, id, day),
		"DropApp in workspace":          db.DropApp(ctx, id, a.app.ID),
		"DropApp":                       db.DropApp(ctx, a.ws.ID, id),
		"CreateDatabase in workspace":   db.CreateDatabase(ctx, newDatabase(id, "other")),
		"RecordDatabase":                db.RecordDatabase(ctx, dataWithID, "uuid", "v1.x.y"),
		"TakeOverDatabase":              db.TakeOverDatabase(ctx, dataWithID, day),
		"MarkDatabaseDeleting":          db.MarkDatabaseDeleting(ctx, a.ws.ID, id, day),
		"DropDatabase":                  db.DropDatabase(ctx, a.ws.ID, id),
		"SetPlan":                       db.SetPlan(ctx, id, tenancy.Plan{}, day),
		"ClaimKey":                      db.ClaimKey(ctx, id, "apps.create", "key", "digest", day),
		"Reseal a workspace":            db.Reseal(ctx, tenancy.SealedValue{Place: tokenPlace(id), Value: a.parts.TokenSealed}, "new"),
		"Reseal a token":                db.Reseal(ctx, tenancy.SealedValue{Place: botTokenPlace(id), Value: a.token.Sealed}, "new"),
	}
}

func err2[T any](_ T, err error) error { return err }
