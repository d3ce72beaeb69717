-- Databases that were created here. nonce proves that a database on Coolify is the
-- one that was asked for, until its uuid is known. Coolify tells a database's
-- address, with the password, only when it makes it.

-- +goose Up
CREATE TABLE vibn_databases (
  id text PRIMARY KEY,
  name text NOT NULL,
  engine text NOT NULL,
  nonce text NOT NULL,
  coolify_uuid text UNIQUE,
  url_encrypted text NOT NULL DEFAULT '',
  deleting_at timestamptz,
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_databases ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_databases ADD UNIQUE (workspace_id, name);
