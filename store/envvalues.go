package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
)

// Of the values that an app's variables had, the newest are kept, those that they still have
// before the others. The bytes are of what is sealed: with the values that Coolify tells of
// they have to stay below what a scrubber takes on.
const (
	envValuesKept = 500
	envBytesKept  = 160_000
	// endedValuesKept is how long a value is kept after another took its place.
	endedValuesKept = 90 * 24 * time.Hour
)

// KeepValues implements [hosting.Store].
func (db *DB) KeepValues(ctx context.Context, workspaceID, app string, values []hosting.KeptValue) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, workspaceID); err != nil {
			return err
		}
		for _, v := range values {
			err := change(ctx, tx, `insert into vibn_env_values (id, workspace_id, app_uuid, preview, value_encrypted, written_at, ended_at)
				values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do update set ended_at = excluded.ended_at
				where vibn_env_values.workspace_id = excluded.workspace_id and vibn_env_values.app_uuid = excluded.app_uuid`,
				v.ID, workspaceID, app, v.Preview, v.Sealed, micros(v.At), microsOrNil(v.Ended))
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `delete from vibn_env_values where workspace_id = $1 and app_uuid = $2 and id in (
			select id from (select id, row_number() over newest as nth, sum(length(value_encrypted)) over newest as bytes
				from vibn_env_values where workspace_id = $1 and app_uuid = $2
				window newest as (order by ended_at is not null, coalesce(ended_at, written_at) desc, id desc
					rows between unbounded preceding and current row)) ranked
			where nth > $3 or bytes > $4)`, workspaceID, app, envValuesKept, envBytesKept)
		return err
	}), "values of app %q of workspace %q", app, workspaceID)
}

// KeptValues implements [hosting.Store].
func (db *DB) KeptValues(ctx context.Context, workspaceID, app string) ([]hosting.KeptValue, error) {
	values, err := list(ctx, db, func(from row) (v hosting.KeptValue, err error) {
		err = from.Scan(&v.ID, &v.Preview, &v.Sealed, &v.At, &v.Ended)
		return v, err
	}, `select id, preview, value_encrypted, written_at, ended_at from vibn_env_values
		where workspace_id = $1 and app_uuid = $2 order by id`, workspaceID, app)
	return values, wrap(err, "values of app %q of workspace %q", app, workspaceID)
}
