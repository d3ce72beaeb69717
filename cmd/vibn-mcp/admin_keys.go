package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func createKey(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	rights, err := tenancy.PresetRights(p.text("preset"))
	if err != nil {
		return usageError{err.Error(), "without --preset it is builder"}
	}
	days, err := p.flags.GetInt("days")
	if err != nil || days < 0 || days > 36_500 {
		return usageError{"--days is between 0 and 36500", "0 is a key that never expires"}
	}
	k, key, err := op.CreateKey(ctx, w, p.text("name"), rights, time.Duration(days)*24*time.Hour)
	if err != nil {
		return err
	}
	expires := "never expires"
	if k.ExpiresAt != nil {
		expires = "expires " + k.ExpiresAt.UTC().Format(time.DateOnly)
	}
	p.sayf("key %s (%s) for workspace %s; %s; it is shown this once\n", k.ID, k.Rights, w.Slug, expires)
	return p.printf("%s\n", key.Reveal())
}

// cleanKeys returns keys cleaned for a terminal.
func cleanKeys(keys []tenancy.Key) []people.KeyInfo {
	infos := people.KeyInfos(keys, time.Now())
	for i := range infos {
		infos[i] = infos[i].Clean()
	}
	return infos
}

// keyEnds returns a key's first and last characters, by which people recognise it.
func keyEnds(k people.KeyInfo) string { return k.Prefix + "..." + k.Last4 }

func keyListFlags(fs *pflag.FlagSet) {
	jsonFlag(fs)
	fs.String("after", "", "list the keys after the one with this id")
	fs.Int("limit", people.MaxKeyPage, "most keys to list")
}

func listKeys(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	limit, err := p.flags.GetInt("limit")
	if err != nil || limit < 1 || limit > people.MaxKeyPage {
		return usageError{fmt.Sprintf("--limit is between 1 and %d", people.MaxKeyPage), "--after lists the next ones"}
	}
	page, err := op.Keys(ctx, w, people.KeyQuery{After: p.text("after"), Limit: limit})
	if err != nil {
		return err
	}
	infos, rows := cleanKeys(page.Keys), [][]string{}
	for _, k := range infos {
		rows = append(rows, []string{k.ID, k.Name, keyEnds(k), k.Rights, k.State, k.ExpiresAt, k.LastUsedAt})
	}
	if page.Next != "" {
		p.sayf("there are more: vibn-mcp key list %s --after %s\n", w.Slug, page.Next)
	}
	return p.show(infos, []string{"ID", "NAME", "KEY", "RIGHTS", "STATE", "EXPIRES", "LAST USED"}, rows)
}

func revokeKey(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	if err := op.RevokeKey(ctx, w, p.args[1]); err != nil {
		return err
	}
	p.sayf("revoked key %s of workspace %s\n", p.args[1], w.Slug)
	return nil
}
