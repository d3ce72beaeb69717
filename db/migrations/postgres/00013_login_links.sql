-- Links that work once: for a member to sign in, or for somebody to join. Of a link
-- only the SHA-256 is here.

-- +goose Up
CREATE TABLE vibn_login_links (
  id text PRIMARY KEY,
  digest text NOT NULL UNIQUE, -- lower-case hex
  user_id text NOT NULL DEFAULT '', -- whom it signs in; empty: it invites
  role text NOT NULL DEFAULT '', -- what the invited person becomes
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by text NOT NULL DEFAULT '' -- user id; empty with used_at: it was withdrawn
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_login_links ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

CREATE INDEX vibn_login_links_workspace_id_idx ON vibn_login_links (workspace_id, created_at);

ALTER TABLE vibn_users
  ADD COLUMN gitea_user_id bigint, -- where Gitea vouches for them
  ADD COLUMN signed_out_at timestamptz; -- sessions that began before are over
