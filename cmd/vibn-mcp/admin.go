package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var workspaceCommands = []command{
	{
		name: "workspace create", args: "SLUG",
		about: "create a workspace; a job makes its Coolify project and Gitea organisation",
		reads: slices.Concat(databaseVariables, placementVariables), waits: true,
		flags: func(fs *pflag.FlagSet) {
			fs.String("name", "", "for people (default: the slug)")
			fs.String("owner", "", "the platform's id of the person who owns it")
			fs.Int64("owner-gitea-id", 0, "id of the owner's account on Gitea, who may then push with it")
			fs.String("coolify-project", "", "uuid of a Coolify project to use instead of creating one; no "+
				"other workspace may use it")
		},
		run: operator(createWorkspace),
	},
	{
		name: "workspace list", about: "list the workspaces", reads: databaseVariables, flags: jsonFlag,
		run: operator(listWorkspaces),
	},
	{
		name: "workspace show", args: "SLUG",
		about: "show a workspace, its parts and what is wrong with them, its plan, members and keys",
		reads: slices.Concat(databaseVariables, planVariables), flags: jsonFlag, run: operator(showWorkspace),
	},
	{
		name: "workspace place", args: "SLUG",
		about: "change where a workspace's apps run: --placement-trust, --coolify-server-uuid, " +
			"--coolify-destination-uuid",
		reads: slices.Concat(databaseVariables, placementVariables),
		run:   operator(placeWorkspace),
	},
	networkCommand,
	{
		name: "workspace plan", args: "SLUG",
		about: "change what a workspace may use: --memory, --cpus, --apps, --databases",
		reads: databaseVariables,
		flags: func(fs *pflag.FlagSet) {
			fs.String("memory", "", "memory of each new app and database, as 512m; 0 = no limit")
			fs.String("cpus", "", "processors of each, as 0.5; 0 = no limit")
			fs.Int("apps", 0, "apps that may be created; 0 = the platform's default")
			fs.Int("databases", 0, "databases that may be created; 0 = the platform's default")
		},
		run: operator(planWorkspace),
	},
	{
		name: "workspace provision", args: "SLUG",
		about: "check a workspace's parts, and create or repair what is missing or wrong", reads: databaseVariables,
		waits: true, run: operator(act("provisioned", (*people.Operator).Provision)),
	},
	{
		name: "workspace suspend", args: "SLUG",
		about: "refuse a workspace's keys and members, and suspend its bot in Gitea", reads: databaseVariables,
		waits: true, run: operator(act("suspended", (*people.Operator).Suspend)),
	},
	{
		name: "workspace resume", args: "SLUG", about: "lift a suspension", reads: databaseVariables, waits: true,
		run: operator(act("resumed", (*people.Operator).Resume)),
	},
	{
		name: "workspace rotate", args: "SLUG", about: "replace every Gitea token of a workspace",
		reads: databaseVariables, waits: true, run: operator(act("rotated", (*people.Operator).Rotate)),
	},
	{
		name: "workspace delete", args: "SLUG",
		about: "delete a workspace, its keys, repositories and bot; its slug is never used again",
		reads: databaseVariables, waits: true,
		flags: func(fs *pflag.FlagSet) { fs.String("confirm", "", "repeat the slug") },
		run:   operator(deleteWorkspace),
	},
}

var keyCommands = []command{
	{
		name: "key create", args: "SLUG", about: "mint a key for a workspace and print it once",
		reads: databaseVariables,
		flags: func(fs *pflag.FlagSet) {
			fs.String("name", "agent", "what the key is for")
			fs.String("preset", "builder", "its rights: "+presetNames())
			fs.Int("days", int(people.DefaultKeyLife/(24*time.Hour)), "days until it expires; 0 = never")
		},
		run: operator(createKey),
	},
	{
		name: "key list", args: "SLUG", about: "list a workspace's keys, newest first", reads: databaseVariables,
		flags: keyListFlags, run: operator(listKeys),
	},
	{
		name: "key revoke", args: "SLUG KEY_ID", about: "revoke a key; it stops working at the next call",
		reads: databaseVariables, run: operator(revokeKey),
	},
}

func jsonFlag(fs *pflag.FlagSet) { fs.Bool("json", false, "print JSON") }

func presetNames() string {
	var names []string
	for _, p := range tenancy.Presets() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// operator wraps an operator's command: it opens the database first.
func operator(run func(context.Context, *program, *people.Operator) error) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		db, err := p.openStore(ctx, func(slug string) {
			_, _ = fmt.Fprintf(p.stderr, "warning: workspace %s: %s\n", slug, replaced)
		})
		if err != nil {
			return err
		}
		defer closeStore(db)
		p.db = db
		return run(ctx, p, people.NewOperator(db))
	}
}

func (p *program) text(flag string) string {
	s, _ := p.flags.GetString(flag) // the command itself defines the flag
	return s
}

func createWorkspace(ctx context.Context, p *program, op *people.Operator) error {
	giteaID, err := p.flags.GetInt64("owner-gitea-id")
	if err != nil || giteaID < 0 || (giteaID > 0 && p.text("owner") == "") {
		return usageError{
			"--owner-gitea-id is the id of an account on Gitea, and goes with --owner",
			"Gitea's administration shows the ids of accounts",
		}
	}
	w, err := op.CreateWorkspace(ctx, people.NewWorkspace{
		Slug: p.args[0], Name: p.text("name"), OwnerUserID: p.text("owner"), OwnerGiteaID: giteaID,
		CoolifyProject: p.text("coolify-project"), Placement: p.cfg.placement,
	})
	if err != nil {
		return err
	}
	p.sayf(
		"created workspace %s (%s host); mint a key with: vibn-mcp key create %s\n", w.Slug, w.Placement.Trust, w.Slug,
	)
	return errors.Join(p.printf("%s\n", w.ID), p.settle(ctx, op, w))
}

// act returns a command that requests an action on a workspace.
func act(
	done string, do func(*people.Operator, context.Context, tenancy.Workspace) error,
) func(context.Context, *program, *people.Operator) error {
	return func(ctx context.Context, p *program, op *people.Operator) error {
		w, err := op.Workspace(ctx, p.args[0])
		if err != nil {
			return err
		}
		if err := do(op, ctx, w); err != nil {
			return err
		}
		p.sayf("workspace %s is to be %s\n", w.Slug, done)
		return p.settle(ctx, op, w)
	}
}

// waitTime limits --wait.
const waitTime = 5 * time.Minute

// settle creates or removes a workspace's parts in this process if --wait is given.
// Otherwise a job of "serve" does.
func (p *program) settle(ctx context.Context, op *people.Operator, w tenancy.Workspace) error {
	if wait, _ := p.flags.GetBool("wait"); !wait { // the command itself defines the flag
		p.sayf(
			"a job of \"vibn-mcp serve\" does the rest on Gitea and Coolify; --wait does it now\n",
		)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	_, provisioner, err := p.cfg.guard(
		p.db, slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	)
	if err != nil {
		return err
	}
	err = provisioner.Settle(ctx, w.ID)
	if errors.Is(err, provision.ErrBusy) { // a server is already doing it
		_, err = op.Settled(ctx, w, 500*time.Millisecond)
	}
	if _, parts := errors.AsType[*provision.PartsError](err); err != nil && !parts {
		return err
	}
	state, err := op.Parts(ctx, w)
	if err != nil {
		return err
	}
	return p.judge(state)
}

// judge prints the state of a workspace's parts, and fails if one is not as it should be.
func (p *program) judge(state tenancy.Provision) error {
	wrong := tenancy.ParsePartErrors(state.ProvisionError)
	if len(wrong) == 0 {
		p.sayf("workspace %s is %s\n", state.Slug, stateWord(state))
		return nil
	}
	for _, e := range wrong {
		p.sayFailure(mcp.Failure{Code: tenancy.Unavailable, Message: e.Part + ": " + e.Why, Hint: e.Fix})
	}
	if state.DeletedAt != nil {
		return hinted{
			fmt.Errorf("workspace %s is deleted, but some of its parts remain", state.Slug),
			"\"vibn-mcp workspace delete " + state.Slug + " --confirm " + state.Slug + " --wait\" tries again",
		}
	}
	return hinted{
		fmt.Errorf("workspace %s is %s", state.Slug, state.Status),
		"\"vibn-mcp workspace provision " + state.Slug + " --wait\" tries again",
	}
}

// stateWord returns the state of a workspace in a word.
func stateWord(s tenancy.Provision) string {
	switch {
	case s.DeletedAt != nil:
		return "deleted"
	case s.SuspendedAt != nil:
		return "suspended"
	}
	return string(s.Status)
}

func listWorkspaces(ctx context.Context, p *program, op *people.Operator) error {
	list, err := op.States(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{}
	for i, s := range list {
		s = s.Clean()
		list[i] = s
		rows = append(rows, []string{s.Slug, s.Name, s.Status, s.Trust, s.CoolifyProject, s.CreatedAt})
	}
	return p.show(list, []string{"SLUG", "NAME", "STATUS", "TRUST", "COOLIFY PROJECT", "CREATED"}, rows)
}

// A shownWorkspace is a workspace with what belongs to it, as "workspace show" prints it.
type shownWorkspace struct {
	people.WorkspaceState
	Effective provision.PlanInfo `json:"effective_plan"` // includes the platform's defaults, and current use
	Members   []shownMember      `json:"members"`
	Keys      []people.KeyInfo   `json:"keys"` // in force
}

type shownMember struct {
	UserID string `json:"user_id"`
	Role   string `json:"role"`
	Email  string `json:"email,omitempty"`
}

func showWorkspace(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	shown, err := p.readWorkspace(ctx, op, w)
	if err != nil {
		return err
	}
	return p.show(shown, []string{"SLUG", shown.Slug}, shown.rows())
}

// readWorkspace reads everything that "workspace show" prints, cleaned for a terminal.
func (p *program) readWorkspace(
	ctx context.Context, op *people.Operator, w tenancy.Workspace,
) (shownWorkspace, error) {
	state, err := op.Parts(ctx, w)
	if err != nil {
		return shownWorkspace{}, err
	}
	keys, err := op.Keys(ctx, w, people.KeyQuery{State: people.KeysInForce})
	if err != nil {
		return shownWorkspace{}, err
	}
	if keys.Next != "" {
		p.sayf("not all keys are shown; \"vibn-mcp key list %s\" lists them\n", w.Slug)
	}
	members, err := op.Members(ctx, w)
	if err != nil {
		return shownWorkspace{}, err
	}
	plan, err := p.planOf(ctx, op, w)
	if err != nil {
		return shownWorkspace{}, err
	}
	shown := shownWorkspace{people.StateOf(state).Clean(), plan, []shownMember{}, cleanKeys(keys.Keys)}
	for _, m := range members {
		clean := shownMember{untrusted.Clean(m.UserID), string(m.Role), untrusted.Clean(m.Email)}
		shown.Members = append(shown.Members, clean)
	}
	return shown, nil
}

// rows returns the workspace as a table for people.
func (s shownWorkspace) rows() [][]string {
	rows := [][]string{
		{"name", s.Name},
		{"id", s.ID},
		{"status", s.Status},
		{"trust", s.Trust},
		{"server", s.Server},
		{"destination", s.Destination},
		{"coolify project", s.CoolifyProject},
		{"coolify network", s.Network},
		{"gitea organisation", s.GiteaOrg},
		{"gitea bot", s.GiteaBot},
		{"plan", planText(s.Effective)},
		{"created", s.CreatedAt},
	}
	for _, e := range s.Errors {
		rows = append(rows, []string{"wrong", e.Part + ": " + e.Why}, []string{"", e.Fix})
	}
	for _, m := range s.Members {
		rows = append(rows, []string{"member", strings.TrimSpace(m.Role + " " + m.UserID + " " + m.Email)})
	}
	for _, k := range s.Keys {
		text := fmt.Sprintf("%s %s %s %s (%s)", k.ID, k.Name, keyEnds(k), k.State, k.Rights)
		rows = append(rows, []string{"key", text})
	}
	return rows
}

// planText describes a plan and its use in one line.
func planText(p provision.PlanInfo) string {
	return fmt.Sprintf("%s memory and %s cpus for each; %d of %d apps, %d of %d databases",
		p.Memory, p.CPUs, p.Apps.Used, p.Apps.Most, p.Databases.Used, p.Databases.Most)
}

// planOf returns the limits of a workspace and its current use.
func (p *program) planOf(ctx context.Context, op *people.Operator, w tenancy.Workspace) (provision.PlanInfo, error) {
	apps, databases, err := op.Used(ctx, w)
	plan := w.Plan.Or(p.cfg.plan).Or(tenancy.DefaultPlan())
	return provision.PlanInfo{
		Memory: plan.Memory, CPUs: plan.CPUs,
		Apps:      provision.Share{Used: apps, Most: plan.Apps},
		Databases: provision.Share{Used: databases, Most: plan.Databases},
	}, err
}

func planWorkspace(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	plan, changed := w.Plan, false
	number := func(flag string) int {
		n, _ := p.flags.GetInt(flag) // the command itself defines the flag
		return n
	}
	for flag, set := range map[string]func(){
		"memory":    func() { plan.Memory = p.text("memory") },
		"cpus":      func() { plan.CPUs = p.text("cpus") },
		"apps":      func() { plan.Apps = number("apps") },
		"databases": func() { plan.Databases = number("databases") },
	} {
		if p.flags.Changed(flag) {
			set()
			changed = true
		}
	}
	if !changed {
		return usageError{"nothing to change", "give --memory, --cpus, --apps or --databases"}
	}
	if err := op.SetPlan(ctx, w, plan); err != nil {
		return err
	}
	p.sayf("workspace %s has another plan; apps and databases that are there keep what they have\n", w.Slug)
	return nil
}

func placeWorkspace(ctx context.Context, p *program, op *people.Operator) error {
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
		return usageError{
			"nothing to change", "give --placement-trust, --coolify-server-uuid or --coolify-destination-uuid",
		}
	}
	if err := op.Place(ctx, w, place); err != nil {
		return err
	}
	p.sayf("workspace %s is on a %s host\n", w.Slug, place.Trust)
	return nil
}

func deleteWorkspace(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.AnyWorkspace(ctx, p.args[0]) // a deleted one may have parts left
	if err != nil {
		return err
	}
	if p.text("confirm") != w.Slug {
		return usageError{
			"this deletes the workspace and its repositories permanently", "repeat it with --confirm " + w.Slug,
		}
	}
	if err := op.DeleteWorkspace(ctx, w); err != nil {
		return err
	}
	p.sayf("deleted workspace %s and its keys; its parts on Gitea and Coolify are deleted\n", w.Slug)
	return p.settle(ctx, op, w)
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
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // Flush returns the error
	}
	return w.Flush()
}
