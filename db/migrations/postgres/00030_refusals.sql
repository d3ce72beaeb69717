-- Whoever is refused the same thing again within a while adds to the count of one row.

-- +goose Up
ALTER TABLE vibn_audit ADD COLUMN refused bigint NOT NULL DEFAULT 0; -- how often; 0: it was not, or may have changed something
ALTER TABLE vibn_audit ADD COLUMN last_at timestamptz; -- of the last refusal, if there were several
