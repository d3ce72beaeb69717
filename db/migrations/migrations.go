// Package migrations holds the SQL that makes and changes the tables, in one
// directory for each database: goose files with the same numbers and names, one
// idea each.
//
// They go forward only: a down migration would be run for the first time on the
// day when something is wrong already, and would throw rows away. A mistake is
// mended by the next number. A release must run before and after the migrations
// of the next one, so columns are added with defaults, and dropped only when no
// release reads them.
//
// On PostgreSQL they adopt a platform's database: vibn_workspaces and
// vibn_workspace_members may be there, with ids of type uuid or text. Every row
// of them is kept, missing columns are added, and our own tables take the type
// of the ids. All other tables must be new.
package migrations

import "embed"

// FS holds the directories "sqlite" and "postgres".
//
//go:embed sqlite postgres
var FS embed.FS

// The numbers of the migrations that are no files (see package store).
const (
	River       = 8  // makes the tables of the job queue, with River's own code
	ShownTokens = 28 // has tokens replaced that people were shown
)
