-- Sessions in which nobody signed in are bounded in number: the oldest make room.

-- +goose Up
ALTER TABLE vibn_sessions ADD COLUMN guest boolean NOT NULL DEFAULT FALSE;

CREATE INDEX vibn_sessions_guests_idx ON vibn_sessions (expires_at, digest) WHERE guest;
