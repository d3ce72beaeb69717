-- A key that ended goes after a while. Its name stays for the audit trail, which may
-- still name it. A key ends when it is revoked or expires, whichever is recorded: an
-- expired key that is revoked then is kept from then on.

-- +goose Up
CREATE TABLE vibn_ended_keys (
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  id TEXT NOT NULL, -- of the key
  name TEXT NOT NULL,
  ended_at TIMESTAMP NOT NULL,
  PRIMARY KEY (workspace_id, id)
);

CREATE INDEX vibn_ended_keys_ended_idx ON vibn_ended_keys (ended_at);

CREATE INDEX vibn_api_keys_ended_idx ON vibn_api_keys (coalesce(revoked_at, expires_at));
CREATE INDEX vibn_api_keys_in_force_idx ON vibn_api_keys (workspace_id, expires_at) WHERE revoked_at IS NULL;
CREATE INDEX vibn_bot_tokens_revoked_idx ON vibn_bot_tokens (revoked_at);
