package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var workspaceCommands = []command{
	{
		name: "workspace create", args: "SLUG", about: "create a workspace on a Coolify project that is there",
		reads: slices.Concat(databaseVariables, placementVariables),
		flags: func(fs *pflag.FlagSet) {
			fs.String("name", "", "for people (default: the slug)")
			fs.String("owner", "", "the platform's id of the person who owns it")
			fs.String("coolify-project", "", "uuid of its Coolify project, required; nobody else's")
		},
		run: operator(createWorkspace),
	},
	{name: "workspace list", about: "list the workspaces", reads: databaseVariables, flags: jsonFlag, run: operator(listWorkspaces)},
	{name: "workspace show", args: "SLUG", about: "show a workspace, its members and its keys", reads: databaseVariables, flags: jsonFlag, run: operator(showWorkspace)},
	{
		name: "workspace place", args: "SLUG", about: "change where a workspace's apps run: --placement-trust, --coolify-server-uuid, --coolify-destination-uuid",
		reads: slices.Concat(databaseVariables, placementVariables),
		run:   operator(placeWorkspace),
	},
	{
		name: "workspace delete", args: "SLUG", about: "end a workspace and its keys; its slug is never used again",
		reads: databaseVariables,
		flags: func(fs *pflag.FlagSet) { fs.String("confirm", "", "the slug once more") },
		run:   operator(deleteWorkspace),
	},
}

var keyCommands = []command{
	{
		name: "key create", args: "SLUG", about: "mint a key for a workspace and print it, once",
		reads: databaseVariables,
		flags: func(fs *pflag.FlagSet) {
			fs.String("name", "agent", "what the key is for")
			fs.String("preset", "builder", "its rights: "+presetNames())
			fs.Int("days", int(tenancy.DefaultKeyLife/(24*time.Hour)), "days until it expires; 0 = never")
		},
		run: operator(createKey),
	},
	{name: "key list", args: "SLUG", about: "list a workspace's keys", reads: databaseVariables, flags: jsonFlag, run: operator(listKeys)},
	{name: "key revoke", args: "SLUG KEY_ID", about: "revoke a key; it stops working at the next call", reads: databaseVariables, run: operator(revokeKey)},
}

func jsonFlag(fs *pflag.FlagSet) { fs.Bool("json", false, "print JSON") }

func presetNames() string {
	var names []string
	for _, p := range tenancy.Presets() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// operator opens the database for a command of the operator's.
func operator(run func(context.Context, *program, *tenancy.Operator) error) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		db, err := p.openStore(ctx)
		if err != nil {
			return err
		}
		defer closeStore(db)
		return run(ctx, p, tenancy.NewOperator(db))
	}
}

func (p *program) text(flag string) string {
	s, _ := p.flags.GetString(flag) // the command itself defines the flag
	return s
}

func createWorkspace(ctx context.Context, p *program, op *tenancy.Operator) error {
	if p.text("coolify-project") == "" { // nothing could give it one later, and its slug would be gone
		return usageError{"workspace create needs --coolify-project", "Coolify shows the uuid in the project's address"}
	}
	w, err := op.CreateWorkspace(ctx, tenancy.NewWorkspace{
		Slug: p.args[0], Name: p.text("name"), OwnerUserID: p.text("owner"), CoolifyProject: p.text("coolify-project"), Placement: p.cfg.placement,
	})
	if err != nil {
		return err
	}
	p.sayf("created workspace %s (%s host); mint a key with: vibn-mcp key create %s\n", w.Slug, w.Placement.Trust, w.Slug)
	return p.printf("%s\n", w.ID)
}

// A workspaceLine is a workspace as commands print it.
type workspaceLine struct {
	Slug           string `json:"slug"`
	ID             string `json:"id"`
	Name           string `json:"name"`
	Status         string `json:"status"`
	Trust          string `json:"trust"`
	Server         string `json:"server,omitempty"`
	Destination    string `json:"destination,omitempty"`
	CoolifyProject string `json:"coolify_project,omitempty"`
	Owner          string `json:"owner,omitempty"`
	Suspended      bool   `json:"suspended"`
	CreatedAt      string `json:"created_at"`
}

func lineOf(w tenancy.Workspace) workspaceLine {
	return workspaceLine{
		w.Slug, w.ID, untrusted.Clean(w.Name), string(w.Status), string(w.Placement.Trust), w.Placement.Server, w.Placement.Destination,
		w.CoolifyProject, untrusted.Clean(w.OwnerUserID), w.SuspendedAt != nil, w.CreatedAt.UTC().Format(time.RFC3339),
	}
}

func listWorkspaces(ctx context.Context, p *program, op *tenancy.Operator) error {
	list, err := op.Workspaces(ctx)
	if err != nil {
		return err
	}
	lines, rows := []workspaceLine{}, [][]string{}
	for _, w := range list {
		l := lineOf(w)
		lines = append(lines, l)
		rows = append(rows, []string{l.Slug, l.Name, l.Status, l.Trust, l.CoolifyProject, l.CreatedAt})
	}
	return p.show(lines, []string{"SLUG", "NAME", "STATUS", "TRUST", "COOLIFY PROJECT", "CREATED"}, rows)
}

func showWorkspace(ctx context.Context, p *program, op *tenancy.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	keys, err := op.Keys(ctx, w)
	if err != nil {
		return err
	}
	members, err := op.Members(ctx, w)
	if err != nil {
		return err
	}
	type memberLine struct {
		UserID string `json:"user_id"`
		Role   string `json:"role"`
		Email  string `json:"email,omitempty"`
	}
	all := struct {
		workspaceLine
		Members []memberLine `json:"members"`
		Keys    []keyLine    `json:"keys"`
	}{lineOf(w), []memberLine{}, keyLines(keys)}
	rows := [][]string{
		{"name", all.Name},
		{"id", all.ID},
		{"status", all.Status},
		{"trust", all.Trust},
		{"server", all.Server},
		{"destination", all.Destination},
		{"coolify project", all.CoolifyProject},
		{"created", all.CreatedAt},
	}
	for _, m := range members {
		l := memberLine{untrusted.Clean(m.UserID), string(m.Role), untrusted.Clean(m.Email)}
		all.Members = append(all.Members, l)
		rows = append(rows, []string{"member", strings.TrimSpace(l.Role + " " + l.UserID + " " + l.Email)})
	}
	for _, k := range all.Keys {
		rows = append(rows, []string{"key", fmt.Sprintf("%s %s %s %s (%s)", k.ID, k.Name, k.Key, k.State, k.Rights)})
	}
	return p.show(all, []string{"SLUG", all.Slug}, rows)
}

func placeWorkspace(ctx context.Context, p *program, op *tenancy.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	place, changed := w.Placement, false
	for flag, set := range map[string]func(){
		"coolify-server-uuid":      func() { place.Server = p.cfg.placement.Server },
		"coolify-destination-uuid": func() { place.Destination = p.cfg.placement.Destination },
		"placement-trust":          func() { place.Trust = p.cfg.placement.Trust },
	} {
		if p.flags.Changed(flag) {
			set()
			changed = true
		}
	}
	if !changed {
		return usageError{"nothing to change", "give --placement-trust, --coolify-server-uuid or --coolify-destination-uuid"}
	}
	if err := op.Place(ctx, w, place); err != nil {
		return err
	}
	p.sayf("workspace %s is on a %s host\n", w.Slug, place.Trust)
	return nil
}

func deleteWorkspace(ctx context.Context, p *program, op *tenancy.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	if p.text("confirm") != w.Slug {
		return usageError{"this ends the workspace for ever", "repeat it with --confirm " + w.Slug}
	}
	if err := op.DeleteWorkspace(ctx, w); err != nil {
		return err
	}
	p.sayf("deleted workspace %s and its keys; what it has on Coolify is still there\n", w.Slug)
	return nil
}

func createKey(ctx context.Context, p *program, op *tenancy.Operator) error {
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

// A keyLine is a key as commands print it.
type keyLine struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Key      string `json:"key"` // its ends
	Rights   string `json:"rights"`
	State    string `json:"state"` // valid, expired or revoked
	Expires  string `json:"expires_at,omitempty"`
	LastUsed string `json:"last_used_at,omitempty"`
}

func keyLines(keys []tenancy.Key) []keyLine {
	lines := []keyLine{}
	for _, k := range keys {
		l := keyLine{
			ID: k.ID, Name: untrusted.Clean(k.Name), Key: k.Prefix + "..." + k.Last4, Rights: k.Rights.String(), State: "valid",
			Expires: moment(k.ExpiresAt), LastUsed: moment(k.LastUsedAt),
		}
		switch {
		case k.RevokedAt != nil:
			l.State = "revoked"
		case k.ExpiresAt != nil && !time.Now().Before(*k.ExpiresAt):
			l.State = "expired"
		}
		lines = append(lines, l)
	}
	return lines
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func listKeys(ctx context.Context, p *program, op *tenancy.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	keys, err := op.Keys(ctx, w)
	if err != nil {
		return err
	}
	lines, rows := keyLines(keys), [][]string{}
	for _, l := range lines {
		rows = append(rows, []string{l.ID, l.Name, l.Key, l.Rights, l.State, l.Expires, l.LastUsed})
	}
	return p.show(lines, []string{"ID", "NAME", "KEY", "RIGHTS", "STATE", "EXPIRES", "LAST USED"}, rows)
}

func revokeKey(ctx context.Context, p *program, op *tenancy.Operator) error {
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

// show prints a value as JSON, or as a table for people.
func (p *program) show(v any, head []string, rows [][]string) error {
	if p.wantsJSON() {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // Flush tells
	}
	return w.Flush()
}
