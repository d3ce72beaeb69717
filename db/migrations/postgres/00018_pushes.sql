-- Pushes to a project's repository are counted, and so is how far they were looked
-- at. push_digest is of the last webhook's body: the same one again is no new push.

-- +goose Up
ALTER TABLE vibn_workspaces
  ADD COLUMN IF NOT EXISTS gitea_hook_id bigint,
  ADD COLUMN IF NOT EXISTS gitea_hook_secret_encrypted text;

ALTER TABLE vibn_projects
  ADD COLUMN push_wanted bigint NOT NULL DEFAULT 0,
  ADD COLUMN push_done bigint NOT NULL DEFAULT 0,
  ADD COLUMN push_digest text NOT NULL DEFAULT '';
