package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func tokens(t *testing.T, db *store.DB, a tenant) []tenancy.BotToken {
	t.Helper()
	return must(db.BotTokens(t.Context(), a.ws.ID))(t)
}

func TestBotToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		b := newToken(child(t, db, a.key))
		check(t, db.AddBotToken(ctx, b))
		wantSame(t, "BotTokens", []tenancy.BotToken{a.token, b}, tokens(t, db, a))
		wantErr(t, "AddBotToken for a key that has one", db.AddBotToken(ctx, newToken(a.key)), tenancy.ErrConflict)
		again := b
		again.KeyID = child(t, db, a.key).ID
		wantErr(t, "AddBotToken with an id that is taken", db.AddBotToken(ctx, again), tenancy.ErrConflict)

		other := filled(b)
		other.Name = "other"
		wantErr(t, "FillBotToken under another name", db.FillBotToken(ctx, other), tenancy.ErrNotFound)
		b = filled(b)
		check(t, db.FillBotToken(ctx, b))
		wantErr(t, "FillBotToken again", db.FillBotToken(ctx, filled(b)), tenancy.ErrNotFound)
		wantErr(t, "TakeOverBotToken of one that is filled", db.TakeOverBotToken(ctx, b, "other", after(1)), tenancy.ErrConflict)
		wantSame(t, "BotTokens", []tenancy.BotToken{a.token, b}, tokens(t, db, a))
		none := newToken(a.key)
		wantErr(t, "FillBotToken of none", db.FillBotToken(ctx, filled(none)), tenancy.ErrNotFound)
		wantErr(t, "TakeOverBotToken of none", db.TakeOverBotToken(ctx, none, "other", after(1)), tenancy.ErrNotFound)
	})
}

// A run that begins again takes the row over: what the first one made, should its
// answer still come, is not kept.
func TestTakeOverBotToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		first := newToken(child(t, db, a.key))
		check(t, db.AddBotToken(ctx, first))
		second := first
		second.Name, second.CreatedAt = "second", after(5)
		check(t, db.TakeOverBotToken(ctx, first, second.Name, second.CreatedAt))
		wantErr(t, "TakeOverBotToken of what was", db.TakeOverBotToken(ctx, first, "third", after(6)), tenancy.ErrConflict)
		wantErr(t, "FillBotToken of the first", db.FillBotToken(ctx, filled(first)), tenancy.ErrNotFound)
		wantSame(t, "BotTokens", []tenancy.BotToken{a.token, second}, tokens(t, db, a))
		second = filled(second)
		check(t, db.FillBotToken(ctx, second))
		wantSame(t, "BotTokens", []tenancy.BotToken{a.token, second}, tokens(t, db, a))
	})
}

// What was revoked while it was being made stays so.
func TestRevokedBotTokenIsNotFilled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		for what, end := range map[string]func(tenancy.BotToken) error{
			"EndBotToken":  func(b tenancy.BotToken) error { return db.EndBotToken(ctx, a.ws.ID, b.ID, day) },
			"ForgetTokens": func(tenancy.BotToken) error { return db.ForgetTokens(ctx, a.ws.ID, day) },
			"RevokeKey": func(b tenancy.BotToken) error {
				return errors.Join(db.RevokeKey(ctx, a.ws.ID, b.KeyID, day), db.RevokeEndedTokens(ctx, a.ws.ID, day, day))
			},
		} {
			b := newToken(child(t, db, a.key))
			check(t, db.AddBotToken(ctx, b))
			check(t, end(b))
			wantErr(t, "FillBotToken after "+what, db.FillBotToken(ctx, filled(b)), tenancy.ErrNotFound)
			wantErr(t, "TakeOverBotToken after "+what, db.TakeOverBotToken(ctx, b, "other", day), tenancy.ErrConflict)
			sealed := dump(t, db, `select sealed from vibn_bot_tokens where id = $1`, b.ID)
			wantSame(t, "what is sealed after "+what, []string{"sealed= "}, sealed)
		}
	})
}

func TestEndBotToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		b := newToken(child(t, db, a.key))
		check(t, db.AddBotToken(ctx, b))
		check(t, db.EndBotToken(ctx, a.ws.ID, a.token.ID, after(1)))
		wantSame(t, "BotTokens", []tenancy.BotToken{b}, tokens(t, db, a))
		wantErr(t, "EndBotToken again", db.EndBotToken(ctx, a.ws.ID, a.token.ID, after(2)), tenancy.ErrNotFound)
		kept := dump(t, db, `select id from vibn_bot_tokens where id = $1 and revoked_at = $2 and sealed = ''`, a.token.ID, after(1))
		wantSame(t, "rows of the token that ended", 1, len(kept))
		check(t, db.AddBotToken(ctx, newToken(a.key))) // the key may have a new one
	})
}

func TestAddBotTokenNeedsAKeyInForce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		add := func(k tenancy.Key, at int) error {
			b := newToken(k)
			b.CreatedAt = after(at)
			return db.AddBotToken(ctx, b)
		}
		revoked := child(t, db, a.key)
		check(t, db.RevokeKey(ctx, a.ws.ID, revoked.ID, day))
		wantErr(t, "AddBotToken for a revoked key", add(revoked, 0), tenancy.ErrNotFound)
		expires, digest := newKey(a.ws.ID, "expires")
		expires.ExpiresAt = new(after(10))
		check(t, db.CreateKey(ctx, expires, digest))
		wantErr(t, "AddBotToken for an expired key", add(expires, 10), tenancy.ErrNotFound)
		check(t, add(expires, 9))
		none, _ := newKey(a.ws.ID, "none")
		wantErr(t, "AddBotToken for no key", add(none, 0), tenancy.ErrNotFound)

		k := child(t, db, a.key)
		check(t, db.SetSuspended(ctx, a.ws.ID, new(day), day))
		wantErr(t, "AddBotToken in a suspended workspace", add(k, 0), tenancy.ErrNotFound)
		check(t, db.SetSuspended(ctx, a.ws.ID, nil, day))
		check(t, add(k, 0))
		k = child(t, db, a.key)
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		execSQL(t, db, `update vibn_api_keys set revoked_at = null where id = $1`, k.ID)
		wantErr(t, "AddBotToken in a deleted workspace", add(k, 0), tenancy.ErrNotFound)
	})
}

func TestConcurrentAddBotToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		for range 5 {
			k := child(t, db, a.key)
			var added atomic.Int64
			var together errgroup.Group
			for range writers {
				together.Go(func() error {
					err := db.AddBotToken(t.Context(), newToken(k))
					if errors.Is(err, tenancy.ErrConflict) {
						return nil
					}
					added.Add(1)
					return err
				})
			}
			check(t, together.Wait())
			wantSame(t, "tokens", int64(1), added.Load())
		}
	})
}

// A token that is added while its key is being revoked ends with it: it is
// refused, or its end is wanted.
func TestConcurrentAddBotTokenAndEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, end := range []func(tenant) error{
			func(a tenant) error { return db.RevokeKey(t.Context(), a.ws.ID, a.key.ID, after(1)) },
			func(a tenant) error { return db.SetSuspended(t.Context(), a.ws.ID, new(after(1)), after(1)) },
			func(a tenant) error { return db.DeleteWorkspace(t.Context(), a.ws.ID, after(1)) },
		} {
			for r := range 10 {
				a := newTenant(t, db, fmt.Sprint("alpha-", i, "-", r))
				check(t, db.ForgetTokens(t.Context(), a.ws.ID, day))
				settle(t, db, a.ws.ID)
				var together errgroup.Group
				together.Go(func() error {
					err := db.AddBotToken(t.Context(), newToken(a.key))
					if errors.Is(err, tenancy.ErrNotFound) {
						return nil
					}
					return err
				})
				together.Go(func() error { return end(a) })
				check(t, together.Wait())
				if left := tokens(t, db, a); len(left) > 0 && i == 0 {
					wantTokensQueued(t, "the end of what has a token", db, a.ws.ID, true)
				} else if len(left) > 0 {
					wantQueued(t, "the end of what has a token", db, a.ws.ID, 1)
				}
				check(t, db.RevokeEndedTokens(t.Context(), a.ws.ID, after(1), day))
				wantSame(t, "tokens", 0, len(tokens(t, db, a)))
				wantErr(t, "AddBotToken after the end", db.AddBotToken(t.Context(), newToken(a.key)), tenancy.ErrNotFound)
			}
		}
	})
}

func TestRevokeEndedTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, other := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		add := func(expires, begun int, fill bool) tenancy.BotToken {
			t.Helper()
			k, digest := newKey(a.ws.ID, "key")
			k.ExpiresAt = new(after(expires))
			check(t, db.CreateKey(ctx, k, digest))
			b := newToken(k)
			b.CreatedAt = after(begun)
			check(t, db.AddBotToken(ctx, b))
			if fill {
				b = filled(b)
				check(t, db.FillBotToken(ctx, b))
			}
			return b
		}
		expires, revoked := add(100, 0, true), add(1000, 0, true)
		old, young := add(1000, 50, false), add(1000, 51, false)
		left := []tenancy.BotToken{a.token, expires, revoked, old, young}
		for _, tc := range []struct {
			what            string
			at, begunBefore int
			end             func() error
			ended           []tenancy.BotToken
		}{
			{what: "nothing", at: 99, begunBefore: 50},
			{what: "expiry", at: 100, begunBefore: 50, ended: []tenancy.BotToken{expires}},
			{what: "never filled", at: 100, begunBefore: 51, ended: []tenancy.BotToken{old}},
			{
				what: "revocation", at: 101, begunBefore: 51, ended: []tenancy.BotToken{revoked},
				end: func() error { return db.RevokeKey(ctx, a.ws.ID, revoked.KeyID, after(101)) },
			},
			{
				what: "suspension", at: 102, ended: []tenancy.BotToken{a.token, young},
				end: func() error { return db.SetSuspended(ctx, a.ws.ID, new(after(102)), after(102)) },
			},
		} {
			if tc.end != nil {
				check(t, tc.end())
			}
			check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(tc.at), after(tc.begunBefore)))
			left = slices.DeleteFunc(left, func(b tenancy.BotToken) bool { return slices.Contains(tc.ended, b) })
			if len(left) == 0 {
				left = nil
			}
			wantSame(t, "BotTokens after "+tc.what, left, tokens(t, db, a))
			for _, b := range tc.ended {
				kept := dump(t, db, `select id from vibn_bot_tokens where id = $1 and revoked_at = $2 and sealed = ''`, b.ID, after(tc.at))
				wantSame(t, "rows of a token that ended by "+tc.what, 1, len(kept))
			}
		}
		wantSame(t, "the other workspace's tokens", []tenancy.BotToken{other.token}, tokens(t, db, other))
		check(t, db.DeleteWorkspace(ctx, other.ws.ID, after(1)))
		execSQL(t, db, `update vibn_api_keys set revoked_at = null where id = $1`, other.key.ID)
		check(t, db.RevokeEndedTokens(ctx, other.ws.ID, after(1), day))
		wantSame(t, "tokens of a deleted workspace", []tenancy.BotToken(nil), tokens(t, db, other))
		first := dump(t, db, `select revoked_at from vibn_bot_tokens where id = $1`, a.token.ID)
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(500), after(500)))
		wantSame(t, "time of the end, later", first, dump(t, db, `select revoked_at from vibn_bot_tokens where id = $1`, a.token.ID))
	})
}

// holds makes a token that a person holds, at a minute.
func holds(t *testing.T, db *store.DB, a tenant, user string, at int) tenancy.BotToken {
	t.Helper()
	b := newToken(tenancy.Key{WorkspaceID: a.ws.ID})
	b.UserID, b.CreatedAt = user, after(at)
	check(t, db.AddBotToken(t.Context(), b))
	b = filled(b)
	check(t, db.FillBotToken(t.Context(), b))
	return b
}

func joins(t *testing.T, db *store.DB, a tenant, role tenancy.Role) (user string) {
	t.Helper()
	user = newID()
	check(t, db.SetMember(t.Context(), tenancy.Member{WorkspaceID: a.ws.ID, UserID: user, Role: role, CreatedAt: day}))
	return user
}

// A person has one token in each workspace, as a key has, and only as a member.
func TestBotTokenOfAPerson(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		user := joins(t, db, a, tenancy.RoleMember)
		first := holds(t, db, a, user, 1)
		wantSame(t, "BotTokens", []tenancy.BotToken{a.token, first}, tokens(t, db, a))
		second := first
		second.ID, second.Name = newID(), "second"
		wantErr(t, "AddBotToken for one who has one", db.AddBotToken(ctx, second), tenancy.ErrConflict)
		second.WorkspaceID = b.ws.ID
		wantErr(t, "AddBotToken where they are no member", db.AddBotToken(ctx, second), tenancy.ErrNotFound)
		check(t, db.SetSuspended(ctx, a.ws.ID, new(after(2)), after(2)))
		wantSame(t, "BotTokens when suspended", []tenancy.BotToken(nil), tokens(t, db, a))
		second.WorkspaceID = a.ws.ID
		wantErr(t, "AddBotToken when suspended", db.AddBotToken(ctx, second), tenancy.ErrNotFound)
	})
}

// "Sign out everywhere" ends a person's tokens in all workspaces, and nobody else's.
func TestSignOutEndsTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		user := joins(t, db, a, tenancy.RoleMember)
		check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: b.ws.ID, UserID: user, Role: tenancy.RoleAdmin, CreatedAt: day}))
		holds(t, db, a, user, 1)
		holds(t, db, b, user, 1)
		others := holds(t, db, b, joins(t, db, b, tenancy.RoleMember), 1)
		settle(t, db, a.ws.ID)
		settle(t, db, b.ws.ID)
		check(t, db.SignOut(ctx, user, after(3)))
		wantSame(t, "BotTokens of A", []tenancy.BotToken{a.token}, tokens(t, db, a))
		wantSame(t, "BotTokens of B", []tenancy.BotToken{b.token, others}, tokens(t, db, b))
		for _, of := range []tenant{a, b} {
			got := dump(t, db, `select state from river_job where args->>'workspace_id' = $1 and kind = 'vibn_tokens'`, of.ws.ID)
			wantSame(t, "jobs that end tokens", 1, len(got))
		}
		holds(t, db, a, user, 2) // it was being made when they signed out
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(4), day))
		wantSame(t, "BotTokens then", []tenancy.BotToken{a.token}, tokens(t, db, a))
		late := holds(t, db, a, user, 5)
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(6), day))
		wantSame(t, "BotTokens after the next sign-in", []tenancy.BotToken{a.token, late}, tokens(t, db, a))
	})
}

// What ended is listed until Gitea was seen not to have it.
func TestTokensDue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, other := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		due := func(at, endedBefore int) []string { return must(db.TokensDue(ctx, after(at), after(endedBefore)))(t) }
		wantSame(t, "due before anything", []string(nil), due(1, 0))
		k, digest := newKey(a.ws.ID, "expires")
		k.ExpiresAt = new(after(10))
		check(t, db.CreateKey(ctx, k, digest))
		expires := newToken(k)
		check(t, db.AddBotToken(ctx, expires))
		wantSame(t, "due before the expiry", []string(nil), due(9, 0))
		wantSame(t, "due at the expiry", []string{a.ws.ID}, due(10, 0))
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(10), day))
		wantSame(t, "due while Gitea may be making it", []string(nil), due(10, 10))
		wantSame(t, "due afterwards", []string{a.ws.ID}, due(11, 11))
		wantSame(t, "EndedTokens", []string{expires.ID}, idsOf(must(db.EndedTokens(ctx, a.ws.ID, after(11)))(t)))
		check(t, db.TokenGone(ctx, a.ws.ID, expires.ID, after(11)))
		wantSame(t, "due when it is gone", []string(nil), due(12, 12))
		wantErr(t, "TokenGone of a live one", db.TokenGone(ctx, a.ws.ID, a.token.ID, day), tenancy.ErrNotFound)
		wantErr(t, "TokenGone of another's", db.TokenGone(ctx, other.ws.ID, expires.ID, day), tenancy.ErrNotFound)

		user := joins(t, db, a, tenancy.RoleMember)
		holds(t, db, a, user, 1)
		execSQL(t, db, `delete from vibn_workspace_members where workspace_id = $1 and user_id = $2`, a.ws.ID, user) // by a platform
		wantSame(t, "due when they are no member, at once", []string(nil), due(12, 12))                              // but with the next Due
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(12), day))
		wantSame(t, "due until it is gone", []string{a.ws.ID}, due(12, 12))
		check(t, db.SetSuspended(ctx, a.ws.ID, new(after(13)), after(13)))
		wantSame(t, "due when suspended", []string(nil), due(14, 14)) // a run on all parts ends them
	})
}

func idsOf(tokens []tenancy.BotToken) (ids []string) {
	for _, b := range tokens {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestReseal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		check(t, db.AddBotToken(ctx, newToken(child(t, db, a.key)))) // nothing is sealed yet
		w := newWorkspace(day)
		w.Slug = "bare"
		check(t, db.CreateWorkspace(ctx, w, 0))
		foreign := newTenant(t, db, "foreign") // sealed by a platform
		check(t, db.ForgetTokens(ctx, foreign.ws.ID, day))
		execSQL(t, db, `update vibn_workspaces set gitea_bot_token_encrypted = 'by a platform' where id = $1`, foreign.ws.ID)

		logOf := func(of tenant) tenancy.SealedValue {
			l := must(db.KeptLog(ctx, of.ws.ID, of.app.UUID))(t)
			return tenancy.SealedValue{Place: hosting.CrashLogPlace(l.ID), Value: l.Sealed}
		}
		valueOf := func(of tenant) tenancy.SealedValue {
			v := must(db.KeptValues(ctx, of.ws.ID, of.app.UUID))(t)[0]
			return tenancy.SealedValue{Place: hosting.EnvValuePlace(v.ID), Value: v.Sealed}
		}
		want := []tenancy.SealedValue{
			{Place: tokenPlace(a.ws.ID), Value: a.parts.TokenSealed},
			{Place: tokenPlace(b.ws.ID), Value: b.parts.TokenSealed},
			{Place: tenancy.HookPlace(a.ws.ID), Value: a.parts.HookSealed},
			{Place: tenancy.HookPlace(b.ws.ID), Value: b.parts.HookSealed},
			{Place: tenancy.DatabaseURLPlace(a.data.ID), Value: a.data.URLSealed},
			{Place: tenancy.DatabaseURLPlace(b.data.ID), Value: b.data.URLSealed},
			{Place: tenancy.DatabaseURLPlace(foreign.data.ID), Value: foreign.data.URLSealed},
			logOf(a), logOf(b), logOf(foreign), valueOf(a), valueOf(b), valueOf(foreign),
			{Place: botTokenPlace(a.token.ID), Value: a.token.Sealed},
			{Place: botTokenPlace(b.token.ID), Value: b.token.Sealed},
		}
		wantSame(t, "SealedValues", want, must(db.SealedValues(ctx))(t))
		for i, was := range want {
			sealed := "v1.y." + was.Place.Row
			check(t, db.Reseal(ctx, was, sealed))
			wantErr(t, "Reseal of what was", db.Reseal(ctx, was, "v1.z.other"), tenancy.ErrNotFound)
			want[i].Value = sealed
			wantSame(t, "SealedValues", want, must(db.SealedValues(ctx))(t))
		}
		for _, place := range []secret.Place{
			tokenPlace(newID()), botTokenPlace(newID()), tenancy.HookPlace(newID()), tenancy.DatabaseURLPlace(newID()), {Table: "vibn_workspaces", Column: "name", Row: a.ws.ID}, {},
		} {
			wantErr(t, "Reseal at no place", db.Reseal(ctx, tenancy.SealedValue{Place: place, Value: a.ws.Name}, "new"), tenancy.ErrNotFound)
		}

		// A run that read the old value does not put it back.
		parts := a.parts
		parts.TeamID = number()
		wantErr(t, "SetParts after Reseal", db.SetParts(ctx, a.ws.ID, a.parts, parts), tenancy.ErrConflict)
		logB, valueB := logOf(b), valueOf(b)
		check(t, db.DeleteWorkspace(ctx, b.ws.ID, day)) // its token is needed until its parts are gone
		want = slices.DeleteFunc(want, func(v tenancy.SealedValue) bool { return v.Place == logB.Place || v.Place == valueB.Place })
		wantSame(t, "SealedValues with a deleted workspace", want, must(db.SealedValues(ctx))(t))
	})
}

// Every column that holds what is sealed is in SealedValues: a rotation of the
// key that missed one would lose it.
func TestSealedValuesKnowsEveryColumn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		newTenant(t, db, "alpha")
		listed := map[string]bool{}
		for _, v := range must(db.SealedValues(t.Context()))(t) {
			listed[v.Place.Table+"."+v.Place.Column] = true
		}
		for _, table := range tables {
			if table == "" || table == "river_job" {
				continue
			}
			for _, column := range columnsOf(t, db, table) {
				is := strings.Contains(column, "sealed") || strings.Contains(column, "encrypted")
				if name := table + "." + column; is != listed[name] {
					t.Errorf("%s: looks sealed: %v, is listed: %v", name, is, listed[name])
				}
			}
		}
		wantSame(t, "columns", 6, len(listed))
	})
}
