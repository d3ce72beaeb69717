-- People: joined by issuer and subject, or by an id that the operator gives.
-- E-mail is for display and never a join key, so it is not unique.

-- +goose Up
CREATE TABLE vibn_users (
  id text PRIMARY KEY,
  issuer text,
  subject text,
  email text NOT NULL DEFAULT '',
  display_name text NOT NULL DEFAULT '',
  UNIQUE (issuer, subject)
);
