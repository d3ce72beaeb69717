-- What is being deleted is looked at every minute.

-- +goose Up
CREATE INDEX vibn_apps_deleting_idx ON vibn_apps (deleting_at) WHERE deleting_at IS NOT NULL;
CREATE INDEX vibn_databases_deleting_idx ON vibn_databases (deleting_at) WHERE deleting_at IS NOT NULL;
