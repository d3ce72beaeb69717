-- A token of the bot is written down by its name before Gitea makes it, so that
-- one whose answer was lost is known as nobody's. gitea_token_id is 0 and sealed
-- is empty until then. A key has one token at a time.

-- +goose Up
ALTER TABLE vibn_bot_tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX vibn_bot_tokens_live_key ON vibn_bot_tokens (workspace_id, key_id) WHERE revoked_at IS NULL;
