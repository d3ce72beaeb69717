-- Whether the operator wants a workspace's organisation and bot to be renamed, so that
-- nobody can guess their names; and when its webhook was heard of: a delivery that was
-- taken, one whose signature was bad, and a push that none told of.

-- +goose Up
ALTER TABLE vibn_workspaces ADD COLUMN gitea_renaming boolean NOT NULL DEFAULT false;
ALTER TABLE vibn_workspaces ADD COLUMN hook_taken_at timestamptz;
ALTER TABLE vibn_workspaces ADD COLUMN hook_refused_at timestamptz;
ALTER TABLE vibn_workspaces ADD COLUMN hook_missed_at timestamptz;
