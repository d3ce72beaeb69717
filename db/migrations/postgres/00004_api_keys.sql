-- Bearer keys: of the key itself only its SHA-256 is here. A key and the key
-- that it was minted with are of one workspace, by constraint.

-- +goose Up
CREATE TABLE vibn_api_keys (
  id text PRIMARY KEY,
  name text NOT NULL,
  prefix text NOT NULL,
  last4 text NOT NULL,
  digest text NOT NULL UNIQUE, -- lower-case hex
  rights text NOT NULL, -- "read,deploy"
  created_by text NOT NULL,
  parent_id text,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_api_keys ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_api_keys
  ADD UNIQUE (workspace_id, id),
  ADD FOREIGN KEY (workspace_id, parent_id) REFERENCES vibn_api_keys (workspace_id, id);

CREATE INDEX vibn_api_keys_workspace_id_created_at_idx ON vibn_api_keys (workspace_id, created_at, id);
CREATE INDEX vibn_api_keys_parent_id_idx ON vibn_api_keys (workspace_id, parent_id);
