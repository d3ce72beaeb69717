package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// This file serves the operator's API below /api/admin. It exists only if
// VIBN_ADMIN_TOKEN is set. A platform's own front end calls it, so it uses users and
// slugs.

// maxAdminWait is the longest that a call waits for a workspace's parts.
const maxAdminWait = 45 * time.Second

// settleLook is the poll interval of such a wait.
const settleLook = 200 * time.Millisecond

// mountAdmin serves the operator's API.
func mountAdmin(mux *http.ServeMux, cfg Config) {
	if !cfg.Guard.HasOperator() {
		return
	}
	for route, do := range map[string]adminFunc{
		"POST /api/admin/workspaces":                        adminEnsure,
		"GET /api/admin/workspaces":                         adminList,
		"GET /api/admin/workspaces/{slug}":                  adminShow,
		"DELETE /api/admin/workspaces/{slug}":               adminDelete,
		"POST /api/admin/workspaces/{slug}/provision":       adminAct((*people.Operator).Provision),
		"POST /api/admin/workspaces/{slug}/suspend":         adminAct((*people.Operator).Suspend),
		"POST /api/admin/workspaces/{slug}/resume":          adminAct((*people.Operator).Resume),
		"POST /api/admin/workspaces/{slug}/plan":            adminPlan,
		"POST /api/admin/workspaces/{slug}/rotate":          adminAct((*people.Operator).Rotate),
		"POST /api/admin/workspaces/{slug}/rename-in-gitea": adminRename,
		"POST /api/admin/workspaces/{slug}/allow":           adminAllow,
		"GET /api/admin/workspaces/{slug}/keys":             adminKeys,
		"POST /api/admin/workspaces/{slug}/keys":            adminMint,
		"DELETE /api/admin/workspaces/{slug}/keys/{key}":    adminRevoke,
		"POST /api/admin/workspaces/{slug}/login-links":     adminLoginLink,
		"POST /api/admin/migrate":                           adminMigrate,
	} {
		mux.Handle(route, admin{cfg, do})
	}
}

// These are the answers other than a workspace, a key or a list of keys.
type (
	adminWorkspaces struct {
		Workspaces []people.WorkspaceState `json:"workspaces"`
	}
	adminApplied struct {
		Applied int      `json:"applied"`           // migrations
		Rotated []string `json:"rotated,omitempty"` // workspaces whose own Gitea token is replaced, as a person was shown it
	}
)

// adminOperations describes the operator's routes.
func adminOperations() []mcp.Operation {
	const root, one = "/api/admin/workspaces", "/api/admin/workspaces/{slug}"
	workspace, list := reflect.TypeFor[people.WorkspaceState](), reflect.TypeFor[adminWorkspaces]()
	in, key := reflect.TypeFor[adminInput](), reflect.TypeFor[people.KeyInfo]()
	all := []mcp.Operation{
		{
			Route: "POST " + root, ID: "admin_ensure", Summary: "Get or create a person's workspace", Input: in,
			Output: reflect.TypeFor[ensured](),
		},
		{Route: "GET " + root, ID: "admin_list", Summary: "List the workspaces", Output: list},
		{Route: "GET " + one, ID: "admin_show", Summary: "Show a workspace", Output: workspace},
		{
			Route: "DELETE " + one, ID: "admin_delete", Summary: "Delete a workspace permanently; confirm is its slug",
			Input: in, Output: workspace,
		},
		{
			Route: "POST " + one + "/provision", ID: "admin_provision", Summary: "Check a workspace's parts again",
			Input: in, Output: workspace,
		},
		{
			Route: "POST " + one + "/suspend", ID: "admin_suspend", Summary: "Suspend a workspace", Input: in,
			Output: workspace,
		},
		{
			Route: "POST " + one + "/resume", ID: "admin_resume", Summary: "Resume a workspace", Input: in,
			Output: workspace,
		},
		{
			Route: "POST " + one + "/rotate", ID: "admin_rotate", Summary: "Replace a workspace's tokens", Input: in,
			Output: workspace,
		},
		{
			Route: "POST " + one + "/rename-in-gitea", ID: "admin_rename_in_gitea",
			Summary: "Give a workspace's organisation and bot names that nobody can guess", Input: in,
			Output: workspace,
		},
		{
			Route: "POST " + one + "/allow", ID: "admin_allow",
			Summary: "Leave something of the operator's own on a repository alone, or with remove no longer",
			Input:   in, Output: workspace,
		},
		{
			Route: "POST " + one + "/plan", ID: "admin_plan",
			Summary: "Change what a workspace may use; what is not given stays", Input: in, Output: workspace,
		},
		{
			Route: "GET " + one + "/keys", ID: "admin_keys", Summary: "List a workspace's keys, newest first",
			Query: reflect.TypeFor[keyQuery](), Output: reflect.TypeFor[keyList](),
		},
		{
			Route: "POST " + one + "/keys", ID: "admin_key_mint", Summary: "Mint a key; it is shown once",
			Input: in, Output: key,
		},
		{
			Route: "DELETE " + one + "/keys/{key}", ID: "admin_key_revoke", Summary: "Revoke a key", Input: in,
			Output: reflect.TypeFor[health](),
		},
		{
			Route: "POST " + one + "/login-links", ID: "admin_login_link",
			Summary: "Make a one-time link to sign in or to join", Input: in,
			Output: reflect.TypeFor[adminLink](),
		},
		{
			Route: "POST /api/admin/migrate", ID: "admin_migrate", Summary: "Bring the database up to date", Input: in,
			Output: reflect.TypeFor[adminApplied](),
		},
	}
	for i := range all {
		all[i].Operator = true
	}
	return all
}

// An adminFunc answers one route.
type adminFunc func(a *adminCall) (any, error)

type admin struct {
	cfg Config
	do  adminFunc
}

// An adminCall is a request of an authenticated operator.
type adminCall struct {
	*http.Request
	cfg Config
	op  *people.Operator
	in  adminInput
}

// adminInput holds every field that an operator's route accepts.
type adminInput struct {
	UserID      string `json:"user_id"`
	Email       string `json:"email"`
	DisplayName string `json:"display_name"`
	GiteaUserID int64  `json:"gitea_user_id"`
	Confirm     string `json:"confirm"`
	Name        string `json:"name"`
	Preset      string `json:"preset"`
	Days        *int   `json:"days"`
	Role        string `json:"role"`
	Minutes     *int   `json:"minutes"`
	WaitSeconds int    `json:"wait_seconds"`

	Cancel       bool   `json:"cancel"`
	RepositoryID int64  `json:"repository_id"`
	Kind         string `json:"kind"`
	Ref          string `json:"ref"`
	Remove       bool   `json:"remove"`

	Memory    *string `json:"memory"`
	CPUs      *string `json:"cpus"`
	Apps      *int    `json:"apps"`
	Databases *int    `json:"databases"`
}

func (a admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := a.answer(w, r)
	if err != nil {
		logRefusal(a.cfg, r, err)
		refuse(w, err)
		return
	}
	answer(w, out)
}

// logRefusal writes the cause of a failure to the server's log.
func logRefusal(cfg Config, r *http.Request, err error) {
	if p := tenancy.Public(err); p.Err != nil {
		cfg.Log.WarnContext(r.Context(), "operator's call failed", "path", r.URL.Path, "err", cfg.Guard.ForLog(err))
	}
}

func (a admin) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	op, err := people.OpenOperator(a.cfg.Guard, mcp.Bearer(r))
	if err != nil {
		return nil, err
	}
	c := &adminCall{Request: r, cfg: a.cfg, op: op}
	body, err := mcp.ReadBody(w, r, mcp.MaxBody)
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		if err := decodeStrict(body, &c.in); err != nil {
			return nil, err
		}
	}
	if c.in.WaitSeconds < 0 || c.in.WaitSeconds > int(maxAdminWait/time.Second) {
		return nil, invalid("wait_seconds must be between 0 and 45")
	}
	return a.do(c)
}

// decodeStrict rejects unknown fields, so that a typo is not silently ignored.
func decodeStrict(body []byte, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil && !dec.More() {
		return nil
	}
	e := &tenancy.Error{
		Code: tenancy.Invalid, Msg: "the body is not a JSON object with the fields of this route", Err: err,
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		e.Msg = "the field " + t.Field + " has another type"
	} else if err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			e.Msg = "there is no field " + field[:min(len(field), 64)]
		}
	}
	return e
}

// settled returns a workspace's state. It waits for the workspace's parts as long as the
// caller asks for.
func (c *adminCall) settled(w tenancy.Workspace) (people.WorkspaceState, error) {
	ctx, cancel := context.WithTimeout(c.Context(), time.Duration(c.in.WaitSeconds)*time.Second)
	defer cancel()
	if c.in.WaitSeconds == 0 {
		p, err := c.op.Parts(c.Context(), w)
		return people.StateOf(p), err
	}
	p, err := c.op.Settled(ctx, w, settleLook)
	return people.StateOf(p), err
}

func (c *adminCall) workspace() (tenancy.Workspace, error) {
	return c.op.Workspace(c.Context(), c.PathValue("slug"))
}

type ensured struct {
	Workspace people.WorkspaceState `json:"workspace"`
	Created   bool                  `json:"created"`
}

func adminEnsure(c *adminCall) (any, error) {
	w, created, err := c.op.EnsureWorkspace(c.Context(), tenancy.Person{
		UserID: c.in.UserID, Email: c.in.Email, DisplayName: c.in.DisplayName, GiteaUserID: c.in.GiteaUserID,
	}, c.cfg.Placement)
	if err != nil {
		return nil, err
	}
	shown, err := c.settled(w)
	return ensured{shown, created}, err
}

func adminList(c *adminCall) (any, error) {
	list, err := c.op.States(c.Context())
	return adminWorkspaces{list}, err
}

func adminShow(c *adminCall) (any, error) {
	w, err := c.op.AnyWorkspace(c.Context(), c.PathValue("slug"))
	if err != nil {
		return nil, err
	}
	return c.settled(w)
}

func adminDelete(c *adminCall) (any, error) {
	w, err := c.op.AnyWorkspace(c.Context(), c.PathValue("slug"))
	if err != nil {
		return nil, err
	}
	if c.in.Confirm != w.Slug {
		return nil, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this deletes the workspace and its repositories permanently",
			Hint: `send {"confirm": "` + w.Slug + `"}`,
		}
	}
	if err := c.op.DeleteWorkspace(c.Context(), w); err != nil {
		return nil, err
	}
	return c.settled(w)
}

// adminAct returns a route that requests an action on a workspace.
func adminAct(act func(*people.Operator, context.Context, tenancy.Workspace) error) adminFunc {
	return func(c *adminCall) (any, error) {
		w, err := c.workspace()
		if err != nil {
			return nil, err
		}
		if err := act(c.op, c.Context(), w); err != nil {
			return nil, err
		}
		return c.settled(w)
	}
}

// adminPlan changes what a workspace may use.
func adminPlan(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	p := w.Plan
	replaceIfGiven(&p.Memory, c.in.Memory)
	replaceIfGiven(&p.CPUs, c.in.CPUs)
	replaceIfGiven(&p.Apps, c.in.Apps)
	replaceIfGiven(&p.Databases, c.in.Databases)
	if err := c.op.SetPlan(c.Context(), w, p); err != nil {
		return nil, err
	}
	return c.settled(w)
}

// replaceIfGiven replaces a value if another was given.
func replaceIfGiven[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

func adminKeys(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	q, err := keyQueryOf(c.Request)
	if err != nil {
		return nil, err
	}
	page, err := c.op.Keys(c.Context(), w, q)
	return keyListOf(page), err
}

func adminMint(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if c.in.Preset == "" {
		c.in.Preset = "builder"
	}
	rights, err := tenancy.PresetRights(c.in.Preset)
	if err != nil {
		return nil, invalid(err.Error())
	}
	life := people.DefaultKeyLife
	if c.in.Days != nil {
		if *c.in.Days < 0 || *c.in.Days > 36_500 {
			return nil, invalid("days must be between 0 and 36500; 0 never expires")
		}
		life = time.Duration(*c.in.Days) * 24 * time.Hour
	}
	k, key, err := c.op.CreateKey(c.Context(), w, c.in.Name, rights, life)
	shown := people.Info(k, time.Now())
	shown.Key = key.Reveal()
	return shown, err
}

func adminRevoke(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	return health{true}, c.op.RevokeKey(c.Context(), w, c.PathValue("key"))
}

func adminMigrate(c *adminCall) (any, error) {
	n, rotated, err := c.cfg.Migrate(c.Context())
	if err != nil {
		return nil, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "the database could not be brought up to date",
			Hint: "the log has the cause", Err: err,
		}
	}
	return adminApplied{n, rotated}, nil
}
