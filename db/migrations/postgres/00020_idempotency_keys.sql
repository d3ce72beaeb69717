-- A caller's own key for a call: used again, it must be for the same arguments.

-- +goose Up
CREATE TABLE vibn_idempotency_keys (
  tool text NOT NULL,
  idempotency_key text NOT NULL,
  digest text NOT NULL, -- SHA-256 of the arguments
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_idempotency_keys ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_idempotency_keys ADD PRIMARY KEY (workspace_id, tool, idempotency_key);
CREATE INDEX vibn_idempotency_keys_created_idx ON vibn_idempotency_keys (created_at);
