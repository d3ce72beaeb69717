package store_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// endsAt makes a key that expires at a time.
func endsAt(t *testing.T, db *store.DB, workspaceID, name string, at time.Time) tenancy.Key {
	t.Helper()
	k, digest := newKey(workspaceID, name)
	k.ExpiresAt = &at
	check(t, db.CreateKey(t.Context(), k, digest))
	return k
}

func keyIDs(keys []tenancy.Key) []string {
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestKeysInPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		var all, inForce, ended []string
		for i := range 10 {
			k := endsAt(t, db, a.ws.ID, fmt.Sprint(i), after(60+i))
			if i == 9 { // revoked before it expires
				check(t, db.RevokeKey(ctx, a.ws.ID, k.ID, after(1)))
			}
			if i < 5 || i == 9 {
				ended = append(ended, k.ID)
			} else {
				inForce = append(inForce, k.ID)
			}
			all = append(all, k.ID)
		}
		all, inForce = append([]string{a.key.ID}, all...), append([]string{a.key.ID}, inForce...)
		for state, want := range map[people.KeyFilter][]string{people.AllKeys: all, people.KeysInForce: inForce, people.KeysEnded: ended} {
			slices.Reverse(want)
			var got []string
			q := people.KeyQuery{State: state, At: after(64), Limit: 2}
			for {
				page := must(db.Keys(ctx, a.ws.ID, q))(t)
				got = append(got, keyIDs(page)...)
				if len(page) < q.Limit {
					break
				}
				q.After = page[1].ID
			}
			wantSame(t, fmt.Sprintf("keys in state %q", state), want, got)
		}
	})
}

// TestEndedKeysGo: a key goes 90 days after its end, with its tokens of Gitea, and once
// those that were minted with it are gone. Its name is known as long as the audit trail.
func TestEndedKeysGo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, end := t.Context(), 90*24*time.Hour
		a, other := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		parent := endsAt(t, db, a.ws.ID, "parent", after(10))
		token := newToken(parent)
		check(t, db.AddBotToken(ctx, token))
		minted, digest := newKey(a.ws.ID, "minted")
		minted.ParentID, minted.ExpiresAt = parent.ID, new(after(9))
		check(t, db.CreateKey(ctx, minted, digest))
		late := endsAt(t, db, a.ws.ID, "revoked when it had expired", after(5))
		check(t, db.RevokeKey(ctx, a.ws.ID, late.ID, after(1000)))
		kept := endsAt(t, db, a.ws.ID, "kept", after(2000))

		listed := func(at time.Time) []string {
			check(t, db.DropExpired(ctx, at))
			return keyIDs(must(db.Keys(ctx, a.ws.ID, allKeys))(t))
		}
		everything := []string{kept.ID, late.ID, minted.ID, parent.ID, a.key.ID}
		wantSame(t, "keys a moment before", everything, listed(after(9).Add(end-time.Microsecond)))
		wantSame(t, "keys while the parent's token may work", []string{kept.ID, late.ID, parent.ID, a.key.ID}, listed(after(100).Add(end)))
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, after(200), after(200)))
		wantSame(t, "keys while the parent's token is kept", []string{kept.ID, late.ID, parent.ID, a.key.ID}, listed(after(199).Add(end)))
		wantSame(t, "keys when the token is gone", []string{kept.ID, late.ID, a.key.ID}, listed(after(200).Add(end)))
		wantSame(t, "tokens of the parent", []string(nil), dump(t, db, `select id from vibn_bot_tokens where id = $1`, token.ID))
		wantSame(t, "keys when all have ended", []string{a.key.ID}, listed(after(2000).Add(end)))

		older := endsAt(t, db, a.ws.ID, "older", after(3000))
		younger, digest := newKey(a.ws.ID, "younger")
		younger.ParentID, younger.ExpiresAt = older.ID, new(after(3000))
		check(t, db.CreateKey(ctx, younger, digest))
		wantSame(t, "keys while one was minted with another", []string{older.ID, a.key.ID}, listed(after(3000).Add(end)))
		wantSame(t, "keys when that is gone", []string{a.key.ID}, listed(after(3000).Add(end)))

		ids := []string{parent.ID, minted.ID, late.ID, a.key.ID, other.key.ID, "none"}
		want := map[string]string{parent.ID: "parent", minted.ID: "minted", late.ID: late.Name, a.key.ID: a.key.Name}
		wantSame(t, "names", want, must(db.KeyNames(ctx, a.ws.ID, ids))(t))
		check(t, db.DropAudit(ctx, after(11))) // the trail ends before late was revoked
		delete(want, parent.ID)
		delete(want, minted.ID)
		wantSame(t, "names as long as the trail", want, must(db.KeyNames(ctx, a.ws.ID, ids))(t))
		wantSame(t, "keys of another workspace", []string{other.key.ID}, keyIDs(must(db.Keys(ctx, other.ws.ID, allKeys))(t)))
	})
}

// manyEnded is how many ended keys a workspace has that is to be listed.
const manyEnded = 20_000

// endMany gives a workspace ended keys, in one statement. They are older than what it has.
func endMany(t *testing.T, db *store.DB, workspaceID string) {
	t.Helper()
	execSQL(t, db, `with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
		insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at, expires_at)
			select '01900000-0000-7000-8000-' || cast(100000000000 + i as text), $2, 'ended', 'vibn_sk_', 'last', 'ended' || i, 'read', 'operator', $3, $4 from n`,
		manyEnded, workspaceID, day.Add(-48*time.Hour), day.Add(-time.Hour))
	if db.Dialect() == "PostgreSQL" {
		execSQL(t, db, `analyze`)
	}
}

// TestListsOfKeysTakeTheirPage: the memory that a list takes does not grow with the keys
// that ended. It runs alone, as what others allocate would count.
func TestListsOfKeysTakeTheirPage(t *testing.T) {
	db := must(store.Open(t.Context(), store.Config{Dir: t.TempDir()}))(t)
	t.Cleanup(func() { check(t, db.Close()) })
	migrate(t, db)
	few, many := newTenant(t, db, "few"), newTenant(t, db, "many")
	endMany(t, db, many.ws.ID)
	for range 50 {
		endsAt(t, db, few.ws.ID, "ended", day.Add(-time.Hour))
	}
	for state, q := range listsOfKeys() {
		of := func(a tenant) uint64 {
			return allocated(func() { must(db.Keys(t.Context(), a.ws.ID, q))(t) })
		}
		if most, least := of(many), of(few); most > 2*least {
			t.Errorf("a list of keys (%q) takes %d bytes where %d ended, and %d where 50 did", state, most, manyEnded, least)
		}
	}
}

// TestListsOfKeysReadTheirPage: the rows that a list reads do not grow with the keys that
// ended, nor do those that minting reads.
func TestListsOfKeysReadTheirPage(t *testing.T) {
	t.Parallel()
	db, r := recordPostgres(t)
	a := newTenant(t, db, "alpha")
	endMany(t, db, a.ws.ID)
	r.statements = nil
	for _, q := range listsOfKeys() {
		must(db.Keys(t.Context(), a.ws.ID, q))(t)
	}
	must(db.KeyNames(t.Context(), a.ws.ID, []string{a.key.ID}))(t)
	k, digest := newKey(a.ws.ID, "one more")
	k.CreatedBy = a.user
	check(t, db.CreateKey(t.Context(), k, digest))
	read := 0
	for _, s := range r.statements {
		if !strings.HasPrefix(s.text, "select ") || !strings.Contains(s.text, "vibn_api_keys") {
			continue
		}
		read++
		if n := rowsRead(t, db, s); n > 500 {
			t.Errorf("%d rows are read for\n%s", n, s.text)
		}
	}
	if read < 6 { // three lists, the names, two counts
		t.Errorf("%d queries of keys were seen", read)
	}
}

// TestKeysInForceGoByTheirIndex: on SQLite, too, nothing reads the keys that expired to
// find those that did not.
func TestKeysInForceGoByTheirIndex(t *testing.T) {
	t.Parallel()
	db, r := recordSQLite(t)
	a := newTenant(t, db, "alpha")
	r.statements = nil
	must(db.Keys(t.Context(), a.ws.ID, listsOfKeys()[people.KeysInForce]))(t)
	k, digest := newKey(a.ws.ID, "minted by a member")
	k.CreatedBy = a.user
	check(t, db.CreateKey(t.Context(), k, digest))
	check(t, db.ChangeMember(t.Context(), a.ws.ID, a.user, tenancy.RoleOwner, day))
	seen := 0
	for _, s := range r.statements {
		if !strings.Contains(s.text, "expires_at is null") {
			continue
		}
		seen++
		steps := strings.Join(plan(t, db, s), "\n")
		for _, want := range []string{"vibn_api_keys_in_force_idx (workspace_id=? AND expires_at>?)", "vibn_api_keys_in_force_idx (workspace_id=? AND expires_at=?)"} {
			if !strings.Contains(steps, want) {
				t.Errorf("%s\ndoes not go by %s:\n%s", s.text, want, steps)
			}
		}
	}
	if seen < 3 { // the list, the count and the keys of the member
		t.Errorf("%d queries of keys in force were seen", seen)
	}
}

func listsOfKeys() map[people.KeyFilter]people.KeyQuery {
	lists := map[people.KeyFilter]people.KeyQuery{}
	for _, state := range []people.KeyFilter{people.AllKeys, people.KeysInForce, people.KeysEnded} {
		lists[state] = people.KeyQuery{State: state, At: day, Limit: 50}
	}
	return lists
}

// allocated returns how many bytes a call allocates, the least of a few times: others run
// beside it.
func allocated(call func()) uint64 {
	call() // what is prepared once is not counted
	var least uint64
	for i := range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; i == 0 || n < least {
			least = n
		}
	}
	return least
}

// rowsRead returns how many rows PostgreSQL visits for a statement.
func rowsRead(t *testing.T, db *store.DB, s noted) int {
	t.Helper()
	args := make([]any, len(s.args))
	for i, a := range s.args {
		args[i] = a.Value
	}
	var raw string
	check(t, db.Conns().QueryRowContext(t.Context(), `explain (analyze, format json) `+s.text, args...).Scan(&raw))
	var plans []struct{ Plan step }
	check(t, json.Unmarshal([]byte(raw), &plans))
	return plans[0].Plan.rows()
}

// A step is a part of PostgreSQL's plan, after it ran.
type step struct {
	Rows    int    `json:"Actual Rows"`
	Loops   int    `json:"Actual Loops"`
	Dropped int    `json:"Rows Removed by Filter"`
	Steps   []step `json:"Plans"`
}

func (s step) rows() int {
	n := (s.Rows + s.Dropped) * s.Loops
	for _, below := range s.Steps {
		n += below.rows()
	}
	return n
}
