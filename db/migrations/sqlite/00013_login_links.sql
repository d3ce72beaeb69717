-- Links that work once: for a member to sign in, or for somebody to join. Of a link
-- only the SHA-256 is here.

-- +goose Up
CREATE TABLE vibn_login_links (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  digest TEXT NOT NULL UNIQUE, -- lower-case hex
  user_id TEXT NOT NULL DEFAULT '', -- whom it signs in; empty: it invites
  role TEXT NOT NULL DEFAULT '', -- what the invited person becomes
  created_by TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  used_at TIMESTAMP,
  used_by TEXT NOT NULL DEFAULT '' -- user id; empty with used_at: it was withdrawn
);

CREATE INDEX vibn_login_links_workspace_id_idx ON vibn_login_links (workspace_id, created_at);

ALTER TABLE vibn_users ADD COLUMN gitea_user_id INTEGER; -- where Gitea vouches for them
ALTER TABLE vibn_users ADD COLUMN signed_out_at TIMESTAMP; -- sessions that began before are over
