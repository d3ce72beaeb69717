-- People: joined by issuer and subject, or by an id that the operator gives.
-- E-mail is for display and never a join key, so it is not unique.

-- +goose Up
CREATE TABLE vibn_users (
  id TEXT NOT NULL PRIMARY KEY,
  issuer TEXT,
  subject TEXT,
  email TEXT NOT NULL DEFAULT '',
  display_name TEXT NOT NULL DEFAULT '',
  UNIQUE (issuer, subject)
);
