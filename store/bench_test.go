package store_test

import (
	"fmt"
	"testing"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func BenchmarkKeyByDigest(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		for _, workspaces := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("%s/workspaces=%d", dialect, workspaces), func(b *testing.B) {
				db := storetest.Open(b, dialect)
				digest := fill(b, db, workspaces)
				for b.Loop() {
					if _, _, err := db.KeyByDigest(b.Context(), digest); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// fill makes workspaces with a key each, in one statement for each table, and
// returns the digest of one more.
func fill(b *testing.B, db *store.DB, workspaces int) tenancy.Digest {
	b.Helper()
	const numbers = `with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) `
	for _, query := range []string{
		numbers + `insert into vibn_workspaces (id, slug, created_at, updated_at)
			select 'w' || i, 'w' || i, $2, $2 from n`,
		numbers + `insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at)
			select 'k' || i, 'w' || i, '', '', '', 'digest' || i, 'read', '', $2 from n`,
	} {
		if _, err := db.Conns().ExecContext(b.Context(), query, workspaces, day); err != nil {
			b.Fatal(err)
		}
	}
	k, digest := newKey("w1", "key")
	if err := db.CreateKey(b.Context(), k, digest); err != nil {
		b.Fatal(err)
	}
	return digest
}
