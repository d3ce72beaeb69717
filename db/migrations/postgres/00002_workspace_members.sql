-- Who belongs to a workspace. user_id is the platform's id of a person; in an
-- adopted table its type may be uuid.

-- +goose Up
CREATE TABLE IF NOT EXISTS vibn_workspace_members (id text PRIMARY KEY);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_workspace_members ADD COLUMN IF NOT EXISTS workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_workspace_members
  ADD COLUMN IF NOT EXISTS user_id text NOT NULL,
  ADD COLUMN IF NOT EXISTS role text NOT NULL,
  ADD COLUMN IF NOT EXISTS created_at timestamptz NOT NULL DEFAULT now();

CREATE UNIQUE INDEX IF NOT EXISTS vibn_workspace_members_workspace_id_user_id_key
  ON vibn_workspace_members (workspace_id, user_id);
CREATE INDEX IF NOT EXISTS vibn_workspace_members_user_id_idx ON vibn_workspace_members (user_id);
