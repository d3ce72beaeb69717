-- Sessions of people who signed in to the settings page. Of a session's token only
-- the SHA-256 is here. What a session holds is no secret: who it is, since when.

-- +goose Up
CREATE TABLE vibn_sessions (
  digest text PRIMARY KEY, -- lower-case hex
  data bytea NOT NULL, -- empty: it was ended, and stays so
  expires_at timestamptz NOT NULL
);

CREATE INDEX vibn_sessions_expires_at_idx ON vibn_sessions (expires_at);
