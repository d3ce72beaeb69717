-- Pushes to a project's repository are counted, and so is how far they were looked
-- at. push_digest is of the last webhook's body: the same one again is no new push.

-- +goose Up
ALTER TABLE vibn_workspaces ADD COLUMN gitea_hook_id INTEGER;
ALTER TABLE vibn_workspaces ADD COLUMN gitea_hook_secret_encrypted TEXT;

ALTER TABLE vibn_projects ADD COLUMN push_wanted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vibn_projects ADD COLUMN push_done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vibn_projects ADD COLUMN push_digest TEXT NOT NULL DEFAULT '';
