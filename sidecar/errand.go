package sidecar

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// purposes say why a sign-in of the last minutes is needed.
var purposes = map[string]string{
	"reveal": "A secret is shown only shortly after a sign-in, so that nobody sees it at a desk that was left.",
	"key":    "A key is made only shortly after a sign-in, so that nobody takes one along from a desk that was left.",
	"invite": "People are invited only shortly after a sign-in, so that nobody lets others in at a desk that was left.",
	"role":   "A role is raised only shortly after a sign-in, so that nobody gives power away at a desk that was left.",
}

// An errand is the form that a person sent when they had to sign in first. The page of the
// form offers to go on with it.
type errand struct {
	Doing  string // "make an invitation"
	Action string // where the form goes
	Whom   string // the person that it concerns; may be empty
	Fields []errandField
}

type errandField struct {
	Name, Value string
	Shown       bool
}

// doings are the forms of workspaces by the last element of their path. A key's form is
// filled in again instead.
var doings = map[string]string{
	"revoke": "revoke a key", "invite": "make an invitation", "withdraw": "withdraw an invitation", "role": "change a role",
	"remove": "remove a member", "reveal": "show a value", "bot-token": "show your token for git", "provision": "try again",
}

// signInFirst sends a person to sign in and back. It keeps the fields of a form that a known
// browser submitted, for the page of that form. No form of this server contains a secret.
// purpose is one of [purposes], or empty for who is signed out.
func (v *visit) signInFirst(purpose string) error {
	next, ctx := v.r.URL.RequestURI(), v.r.Context()
	if v.r.Method == http.MethodPost {
		next = v.formPath()
		if fields := v.form.Encode(); len(fields) <= maxKeptForm && v.known() && v.address.allowFrom(originOf(v.r)) {
			v.hold(ctx, heldForm, fields)
			v.hold(ctx, heldPath, next)
			v.hold(ctx, heldAction, v.r.URL.Path)
		}
	}
	query := url.Values{"next": {nextPath(next)}}
	if purpose != "" {
		query.Set("again", purpose)
	}
	return v.goTo("/login?" + query.Encode())
}

// maxKeptForm limits a form that is kept, in bytes.
const maxKeptForm = 4096

// formPath returns the page that holds the form of this POST.
func (v *visit) formPath() string {
	home, act := cutLast(v.r.URL.Path)
	switch {
	case act == "provision":
		return home + "/workspace"
	case doings[act] != "", act == "connect":
		return home
	}
	return v.r.URL.Path
}

// cutLast cuts the last element off a path.
func cutLast(path string) (rest, last string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// takeForm returns the fields of the form that was kept for this page, and where it goes.
func (v *visit) takeForm() (fields url.Values, action string) {
	ctx := v.r.Context()
	if v.r.Method != http.MethodGet || v.sessions.GetString(ctx, heldPath) != v.r.URL.Path {
		return nil, ""
	}
	action = v.sessions.GetString(ctx, heldAction)
	fields, err := url.ParseQuery(v.sessions.GetString(ctx, heldForm))
	if err != nil {
		fields = nil
	}
	v.dropForm()
	return fields, action
}

func (v *visit) dropForm() {
	for _, held := range []string{heldForm, heldPath, heldAction} {
		v.sessions.Remove(v.r.Context(), held)
	}
}

// resume finds what the person was doing on this page when they had to sign in.
func (v *visit) resume() {
	fields, action := v.takeForm()
	if action == v.r.URL.Path { // the page's own form has the path of the page
		v.kept = fields
		return
	}
	_, act := cutLast(action)
	if fields == nil || doings[act] == "" {
		return
	}
	e := errand{Doing: doings[act], Action: action}
	for name := range fields {
		e.Fields = append(e.Fields, errandField{
			name, fields.Get(name), name == "role" || name == "key" && act == "reveal",
		})
	}
	slices.SortFunc(e.Fields, func(a, b errandField) int { return strings.Compare(a.Name, b.Name) })
	v.frame.Errand = &e
}

// concerns says whom the errand concerns, if it is one of the members.
func (e *errand) concerns(members []people.MemberInfo) {
	if e == nil {
		return
	}
	for _, f := range e.Fields {
		i := slices.IndexFunc(members, func(m people.MemberInfo) bool { return f.Name == "user" && f.Value == m.UserID })
		if i >= 0 {
			e.Whom = members[i].Name.String()
		}
	}
}

// cancel drops the form that was kept, and goes back to its page.
func (v *visit) cancel() error {
	v.dropForm()
	return v.goTo(nextPath(v.form.Get("next")))
}

// recent serves a form that a person may send after a recent sign-in only, and sends others
// to sign in. The rooms prove it again; see [tenancy.ErrSignIn].
func recent(purpose string, serve func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if time.Since(v.since(v.r.Context())) >= tenancy.Recently {
			return v.signInFirst(purpose)
		}
		return serve(v)
	}
}
