package sidecar

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A keyForm holds the fields of the form for a new key.
type keyForm struct {
	Request string // the form's number
	Name    string
	Preset  string
	Days    int
	Error   string
	Presets []presetChoice
	Lives   []lifeChoice
	Kept    bool // it was sent while signed out
}

type presetChoice struct {
	Name, About string
	Chosen      bool
	Allowed     bool // the person has these rights
}

type lifeChoice struct {
	Days   int
	Title  string
	Chosen bool
}

const defaultDays = int(people.DefaultKeyLife / (24 * time.Hour))

func (v *visit) keyForm(fields url.Values) keyForm {
	f := keyForm{Request: rand.Text(), Name: fields.Get("name"), Preset: fields.Get("preset"), Kept: len(fields) > 0}
	if f.Preset == "" {
		f.Preset = "builder"
	}
	if f.Days, _ = strconv.Atoi(fields.Get("days")); f.Days == 0 {
		f.Days = defaultDays
	}
	for _, p := range tenancy.Presets() {
		f.Presets = append(
			f.Presets, presetChoice{p.Name, sentence(p.About), p.Name == f.Preset, v.scope.Rights().Has(p.Rights)},
		)
	}
	for _, l := range []lifeChoice{
		{Days: 1, Title: "1 day"},
		{Days: 7, Title: "7 days"},
		{Days: 30, Title: "30 days"},
		{Days: 90, Title: "90 days"},
		{Days: 365, Title: "1 year"},
	} {
		l.Chosen = l.Days == f.Days
		f.Lives = append(f.Lives, l)
	}
	return f
}

// A keyRow is a key in the list.
type keyRow struct {
	tenancy.Key
	Preset string // or the rights, if no preset has them
	State  string // active, expired or revoked
	By     string
}

type keysPage struct {
	Form   keyForm
	Active keyTable
	Ended  keyTable
	Minted *mintedKey
}

// A keyTable is a page of the keys in force, or of those that ended.
type keyTable struct {
	Rows  []keyRow
	First bool   // true on the first page
	Older string // address of the next page; empty = this is the last
}

// endedPage is how many ended keys a page shows. Those in force are all on one, unless the
// operator made many.
const endedPage = 50

// A mintedKey is a new key in the one answer that shows it.
type mintedKey struct {
	tenancy.Key
	Text    string
	OneLine string // contains the key
}

func (v *visit) keys() error {
	return v.showKeys(http.StatusOK, v.keyForm(v.kept), nil)
}

func (v *visit) showKeys(status int, form keyForm, minted *mintedKey) error {
	v.frame.Tab = "keys"
	if v.scope.Require(tenancy.Keys) != nil {
		return v.show(status, "keys.html", "Keys", (*keysPage)(nil))
	}
	inForce, err := v.keyTable(people.KeysInForce, people.MaxKeyPage)
	if err != nil {
		return err
	}
	ended, err := v.keyTable(people.KeysEnded, endedPage)
	if err != nil {
		return err
	}
	return v.show(status, "keys.html", "Keys", &keysPage{form, inForce, ended, minted})
}

// keyTable returns a page of keys in a state. The query of the address says where it
// begins, by the name of the state.
func (v *visit) keyTable(state people.KeyFilter, limit int) (t keyTable, err error) {
	ctx, after := v.r.Context(), v.r.URL.Query().Get(string(state))
	page, err := people.Keys(ctx, v.scope, people.KeyQuery{State: state, After: after, Limit: limit})
	if err != nil {
		return t, err
	}
	var makers []string
	for _, k := range page.Keys {
		makers = append(makers, k.CreatedBy)
	}
	names, err := people.NamesOf(ctx, v.scope, makers)
	if err != nil {
		return t, err
	}
	t.First = after == ""
	for _, k := range page.Keys {
		t.Rows = append(t.Rows, keyRow{k, presetOf(k.Rights), people.KeyState(k, time.Now()), names.Of(k.CreatedBy)})
	}
	if page.Next != "" {
		t.Older = v.workspacePath("keys") + query(url.Values{string(state): {page.Next}})
	}
	return t, nil
}

func presetOf(r tenancy.Rights) string {
	for _, p := range tenancy.Presets() {
		if p.Rights == r {
			return p.Name
		}
	}
	return r.String()
}

func (v *visit) mintKey() error {
	request := v.form.Get("request")
	if len(request) < 20 || len(request) > 64 || strings.Trim(request, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this form lacks its number",
			Hint: "load the page again and use its form",
		}
	}
	days, _ := strconv.Atoi(v.form.Get("days")) // mint refuses 0
	key, text, err := v.once.do(v.r.Context(), v.user.ID+"/"+v.scope.Slug()+"/"+request, func(ctx context.Context) (tenancy.Key, secret.Text, error) {
		return mint(ctx, v.scope, keyInput{v.form.Get("name"), v.form.Get("preset"), &days}, request, v.r.UserAgent())
	})
	if p := tenancy.Public(err); err != nil && (p.Code == tenancy.Invalid || p.Code == tenancy.Forbidden ||
		p.Code == tenancy.Conflict) {
		form := v.keyForm(v.form)
		form.Kept, form.Error = false, strings.TrimSpace(sentence(p.Msg)+" "+sentence(p.Hint))
		return v.showKeys(p.Code.HTTPStatus(), form, nil)
	}
	if err != nil {
		return err
	}
	return v.showKeys(http.StatusOK, v.keyForm(url.Values{}), &mintedKey{key, text.Reveal(), v.oneLine(text)})
}

// keyInput holds the arguments for a new key, from the page or REST.
type keyInput struct {
	Name   string `json:"name"`
	Preset string `json:"preset"`
	Days   *int   `json:"days"`
}

// mint creates a key, with an entry in the audit trail.
func mint(
	ctx context.Context, scope *tenancy.Scope, in keyInput, request, client string,
) (k tenancy.Key, text secret.Text, err error) {
	if in.Preset == "" {
		in.Preset = "builder"
	}
	rights, err := tenancy.PresetRights(in.Preset)
	if err != nil {
		return k, text, invalid("there is no such preset; they are viewer, deployer, builder and owner")
	}
	days := defaultDays
	if in.Days != nil {
		days = *in.Days
	}
	args, err := json.Marshal(map[string]any{"preset": in.Preset, "days": days})
	if err != nil {
		return k, text, err
	}
	call := tenancy.Call{Tool: "keys.create", Needs: tenancy.Keys, Client: client, Target: in.Name, Args: args}
	err = act(ctx, scope, call, func(s *tenancy.Scope) error {
		k, text, err = people.Mint(ctx, s, people.MintKey{Name: in.Name, Rights: rights, Days: days, Request: request})
		return err
	})
	return k, text, err
}

// act runs an action, with an entry in the audit trail.
func act(ctx context.Context, scope *tenancy.Scope, c tenancy.Call, do func(*tenancy.Scope) error) (err error) {
	begun, err := scope.Begin(ctx, c)
	if err != nil {
		return err
	}
	defer func() { begun.End(ctx, err) }()
	return do(begun)
}

func (v *visit) revokeKey() error {
	if err := revoke(v.r.Context(), v.scope, v.form.Get("key"), v.r.UserAgent()); err != nil {
		return err
	}
	return v.redirectWithNotice(
		v.r.Context(), v.workspacePath("keys"), "The key is revoked and is refused from now on.",
	)
}

func revoke(ctx context.Context, scope *tenancy.Scope, id, client string) error {
	return act(ctx, scope, tenancy.Call{
		Tool: "keys.revoke", Needs: tenancy.Keys, Client: client, Target: id,
	}, func(s *tenancy.Scope) error {
		return people.RevokeKey(ctx, s, id)
	})
}
