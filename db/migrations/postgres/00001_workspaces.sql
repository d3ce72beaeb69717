-- A workspace: one Coolify project and one Gitea organisation. The slug of a
-- deleted one stays taken, so its row stays.
--
-- A platform's own table is adopted as it is; each column is added alone, so
-- that one list serves the new table and the adopted one.

-- +goose Up
CREATE TABLE IF NOT EXISTS vibn_workspaces (id text PRIMARY KEY);

ALTER TABLE vibn_workspaces
  ADD COLUMN IF NOT EXISTS slug text NOT NULL,
  ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS owner_user_id text,
  ADD COLUMN IF NOT EXISTS coolify_project_uuid text,
  ADD COLUMN IF NOT EXISTS coolify_team_id bigint,
  ADD COLUMN IF NOT EXISTS gitea_org text,
  ADD COLUMN IF NOT EXISTS gitea_org_id bigint,
  ADD COLUMN IF NOT EXISTS gitea_bot_username text,
  ADD COLUMN IF NOT EXISTS gitea_bot_user_id bigint,
  ADD COLUMN IF NOT EXISTS gitea_bot_token_id bigint,
  ADD COLUMN IF NOT EXISTS gitea_bot_token_encrypted text,
  ADD COLUMN IF NOT EXISTS provision_status text NOT NULL DEFAULT 'pending',
  ADD COLUMN IF NOT EXISTS provision_error text,
  ADD COLUMN IF NOT EXISTS provision_nonce text,
  ADD COLUMN IF NOT EXISTS placement_server text NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS placement_destination text NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS placement_trust text NOT NULL DEFAULT 'shared',
  ADD COLUMN IF NOT EXISTS suspended_at timestamptz,
  ADD COLUMN IF NOT EXISTS deleted_at timestamptz,
  ADD COLUMN IF NOT EXISTS created_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now();

-- Both names are those that PostgreSQL gives by itself: no second index is made
-- where the platform declared the constraint. Foreign keys need the first.
CREATE UNIQUE INDEX IF NOT EXISTS vibn_workspaces_pkey ON vibn_workspaces (id);
CREATE UNIQUE INDEX IF NOT EXISTS vibn_workspaces_slug_key ON vibn_workspaces (slug);

-- A Coolify project belongs to one living workspace: two on one project would
-- see each other's apps. A platform's own rows may break this already. They are
-- kept, without the index; new workspaces are refused by the query all the same.
-- +goose StatementBegin
DO $$
BEGIN
  CREATE UNIQUE INDEX IF NOT EXISTS vibn_workspaces_project_key ON vibn_workspaces (coolify_project_uuid)
    WHERE deleted_at IS NULL AND cast(coolify_project_uuid AS text) <> '';
EXCEPTION WHEN unique_violation THEN
  RAISE WARNING 'vibn_workspaces has workspaces that share a Coolify project';
END $$;
-- +goose StatementEnd
