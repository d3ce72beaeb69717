-- When a repository was last looked at for pushes that no delivery told of, and the
-- branch that an app's head was read from.

-- +goose Up
ALTER TABLE vibn_projects ADD COLUMN push_looked_at TIMESTAMP NOT NULL DEFAULT 0;
CREATE INDEX vibn_projects_push_looked_idx ON vibn_projects (push_looked_at);
ALTER TABLE vibn_apps ADD COLUMN branch TEXT NOT NULL DEFAULT '';
