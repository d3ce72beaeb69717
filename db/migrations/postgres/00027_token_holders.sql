-- A token of a workspace's bot belongs to a key or to a person, and ends with them.
-- gone_at is when Gitea was seen not to have an ended token any more: until then it is
-- tried again. A token that ended before is left to the hourly run. expires_at is its
-- key's.

-- +goose Up
ALTER TABLE vibn_bot_tokens ADD COLUMN user_id text; -- the person who holds it
ALTER TABLE vibn_bot_tokens ADD COLUMN gone_at timestamptz;
ALTER TABLE vibn_bot_tokens ADD COLUMN expires_at timestamptz;

UPDATE vibn_bot_tokens SET gone_at = revoked_at, expires_at = (SELECT k.expires_at FROM vibn_api_keys k
  WHERE k.workspace_id = vibn_bot_tokens.workspace_id AND k.id = vibn_bot_tokens.key_id);

CREATE UNIQUE INDEX vibn_bot_tokens_live_user ON vibn_bot_tokens (user_id, workspace_id) WHERE revoked_at IS NULL;
CREATE INDEX vibn_bot_tokens_not_gone ON vibn_bot_tokens (workspace_id) WHERE revoked_at IS NOT NULL AND gone_at IS NULL;
CREATE INDEX vibn_bot_tokens_expires ON vibn_bot_tokens (expires_at) WHERE revoked_at IS NULL;

-- "Sign out everywhere" ends a person's open links too.
CREATE INDEX vibn_login_links_user_id_idx ON vibn_login_links (user_id) WHERE used_at IS NULL;
