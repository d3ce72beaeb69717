package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var doctorCommand = command{
	name: "doctor",
	about: "check every prerequisite with the configuration of serve, and say what to do; changes nothing, " +
		"and may run beside serve",
	needs: serverNeeds, flags: jsonFlag, run: examine,
}

// examine prints all checks, and fails if one fails.
func examine(ctx context.Context, p *program) error {
	cfg, err := p.cfg.tenancy(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	db, check := p.examineDatabase(ctx)
	var records provision.Store // nil without a database
	if db != nil {
		defer closeStore(db)
		records = db
	}
	checks := append([]provision.Check{check}, provision.Examine(ctx, cfg, records)...)
	failed := 0
	rows := [][]string{}
	for i := range checks {
		c := &checks[i]
		c.Detail, c.Fix = untrusted.Clean(c.Detail), untrusted.Clean(c.Fix)
		rows = append(rows, []string{c.Name, string(c.State), c.Detail})
		if c.Fix != "" {
			rows = append(rows, []string{"", "", "fix: " + c.Fix})
		}
		if c.State == provision.CheckFail {
			failed++
		}
	}
	if err := p.show(checks, []string{"NAME", "STATE", "DETAIL"}, rows); err != nil {
		return err
	}
	if failed > 0 {
		return hinted{
			fmt.Errorf("checks that failed: %d of %d", failed, len(checks)), "the line below each says what to do",
		}
	}
	return nil
}

// databaseTime limits the check of the database.
const databaseTime = 8 * time.Second

// examineDatabase checks the database. It never creates or migrates it. The result is nil
// if nothing more can be read from the database.
func (p *program) examineDatabase(ctx context.Context) (*store.DB, provision.Check) {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	cfg := store.Config{URL: p.cfg.databaseURL, Dir: p.cfg.dataDir}
	check := provision.Check{
		Name: "database", State: provision.CheckFail,
		Fix: "\"vibn-mcp migrate\" makes it, or brings it up to date; so does the start of serve",
	}
	there, err := store.There(cfg)
	if err == nil && !there {
		check.Detail = "there is none yet in VIBN_DATA_DIR"
		return nil, check
	}
	db, err := store.Open(ctx, cfg)
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, provision.Check{
			Name: "database", State: provision.CheckSkip,
			Detail: "in use: SQLite serves one process, and serve or another one has it",
		}
	case err != nil:
		check.Detail, check.Fix = err.Error(), "check that the database is up and DATABASE_URL is right, or "+
			"VIBN_DATA_DIR for SQLite"
		return nil, check
	}
	missing, empty, err := db.Missing(ctx)
	switch {
	case err != nil:
		check.Detail, check.Fix = err.Error(), "check that the database is up and DATABASE_URL is right"
	case empty:
		check.Detail = db.Dialect() + " has no tables yet"
	case missing == 1:
		check.Detail = db.Dialect() + " is 1 migration behind"
	case missing > 1:
		check.Detail = fmt.Sprintf("%s is %d migrations behind", db.Dialect(), missing)
	default:
		return db, provision.Check{Name: "database", State: provision.CheckOK, Detail: db.Dialect() + ", up to date"}
	}
	closeStore(db)
	return nil, check
}
