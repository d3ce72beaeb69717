package hosting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Limits of one write of environment variables.
const (
	MaxEnvKeys  = 20     // keys in one call
	maxEnvKey   = 255    // characters of a key
	maxEnvValue = 65_536 // bytes of a value
)

// EnvChange is what a write did to one key.
type EnvChange struct {
	Key     string `json:"key"`
	Action  string `json:"action"`            // created, updated, deleted or absent
	Preview string `json:"preview,omitempty"` // the key's value in previews: follows (production) or own
	Arrives string `json:"arrives,omitempty"` // in which form the value reaches the app; empty = unchanged
}

// EnvSet is a write of variables. A nil flag keeps the key's flag, and is false for a new
// key. A nil Literal is true, so that the app receives the value as it was given.
type EnvSet struct {
	Values    map[string]secret.Text
	Preview   bool // write the values of preview deployments instead of production
	BuildTime *bool
	Literal   *bool
	Multiline *bool
	comment   string // marks a database's address; see [Database.Attach]
}

// Coolify copies each new production variable to a twin for previews, and never touches
// the twin again. After an update or a delete the twin would hold the old value. So a
// twin that has not been edited follows production. Coolify's dates show this only until
// vibn-mcp first updates the twin; from then on followMark in its comment does. ownMark
// marks a value written for previews: dates in whole seconds cannot distinguish it from a
// copy.
const (
	followMark = "follows production"
	ownMark    = "value for previews only"
)

// untouched is how long after a row's creation Coolify may still change it: Coolify
// writes its version into each new row.
const untouched = 2 * time.Second

// SetEnvs creates or replaces variables. It checks everything before the first write: a
// bad key or value, or a key that Coolify holds twice, changes nothing. It writes all in
// one request, which Coolify carries out one variable after the other. If it fails, some
// may be written; calling again is safe.
func (a *App) SetEnvs(ctx context.Context, set EnvSet) ([]EnvChange, error) {
	if err := a.scope.Require(tenancy.Write); err != nil {
		return nil, err
	}
	if err := refuseEnvSet(set); err != nil {
		return nil, err
	}
	keys := slices.Sorted(maps.Keys(set.Values))
	token := a.forgetRows()
	values, _, err := a.envValues(ctx)
	if err != nil {
		return nil, err
	}
	rows := rowsOf(values)
	if err := rows.refuseDuplicates(keys); err != nil {
		return nil, err
	}
	writes, arrives := map[string]coolify.EnvUpdate{}, map[string]string{}
	for _, k := range keys {
		if writes[k], arrives[k], err = asStored(set.update(k, rows.single(k, set.Preview))); err != nil {
			return nil, err
		}
		if err := refuseEnvWrite(inside(a.scope).Workspace().Placement, a.app.Application, writes[k]); err != nil {
			return nil, err
		}
	}
	kept, err := a.keepValues(ctx, append(valuesOf(values, keys), newValues(writes)...))
	if err != nil {
		return nil, err
	}
	defer kept.close(ctx)
	var updates []coolify.EnvUpdate
	changes := make([]EnvChange, 0, len(keys))
	for _, k := range keys {
		ofKey, change := rows.updates(writes[k])
		change.Key, change.Arrives = a.scope.Text(k).String(), arrives[k]
		updates, changes = append(updates, ofKey...), append(changes, change)
	}
	written, err := a.app.Calls.SetEnvs(ctx, updates)
	if err != nil {
		return nil, notAllWritten(err, keys)
	}
	a.rememberRows(token, rows.with(written))
	for _, k := range keys {
		kept.end(k, set.Preview, writes[k].Value)
	}
	return changes, nil
}

// notAllWritten is the error of a write of several variables that failed.
func notAllWritten(err error, keys []string) error {
	e := *tenancy.Public(tenancy.UpstreamError("write the variables", err))
	e.Msg += " (" + strings.Join(keys, ", ")
	switch {
	case e.Code == tenancy.RateLimited:
		e.Msg += "; nothing was written)"
	case len(keys) > 1:
		e.Msg += "; some of them may be written)"
	default:
		e.Msg += ")"
	}
	e.Hint = strings.TrimPrefix(e.Hint+"; calling again with all keys is safe", "; ")
	return &e
}

// valuesOf returns the values of these variables that are known, without those of twins
// that equal production's.
func valuesOf(values []coolify.EnvValue, keys []string) []coolify.EnvValue {
	var found []coolify.EnvValue
	for _, v := range values {
		same := func(old coolify.EnvValue) bool { return old.Key == v.Key && old.Value.Equal(v.Value.Reveal()) }
		isCopy := v.Preview && mirrorsProduction(v.Env) && slices.ContainsFunc(found, same)
		if slices.Contains(keys, v.Key) && !v.Value.IsZero() && !isCopy {
			found = append(found, v)
		}
	}
	return found
}

// newValues returns the values that writes give to variables.
func newValues(writes map[string]coolify.EnvUpdate) []coolify.EnvValue {
	var values []coolify.EnvValue
	for _, k := range slices.Sorted(maps.Keys(writes)) {
		w := writes[k]
		values = append(values, coolify.EnvValue{Env: coolify.Env{Key: k, Preview: w.Preview}, Value: w.Value})
	}
	return values
}

// updates returns what Coolify has to be sent for one checked variable, with its twin if
// that follows, and what that changes.
func (r envRows) updates(w coolify.EnvUpdate) ([]coolify.EnvUpdate, EnvChange) {
	row, change := r.single(w.Key, w.Preview), EnvChange{Action: "updated"}
	if row == nil {
		change.Action = "created"
	}
	if w.Preview && (row == nil || mirrorsProduction(*row)) {
		w.Comment = new(ownMark)
	}
	twin := r.single(w.Key, true) // a deleted variable may also have left one behind
	switch {
	case w.Preview || twin == nil:
		return []coolify.EnvUpdate{w}, change
	case !mirrorsProduction(*twin):
		change.Preview = "own"
		return []coolify.EnvUpdate{w}, change
	}
	change.Preview = "follows"
	follower := w
	follower.Preview, follower.ShownOnce, follower.Comment = true, twin.ShownOnce, new(followMark)
	return []coolify.EnvUpdate{w, follower}, change
}

// with returns the rows after a write that returned these.
func (r envRows) with(written []coolify.Env) []coolify.Env {
	all := slices.DeleteFunc(slices.Clone(r.all), func(old coolify.Env) bool {
		return slices.ContainsFunc(written, func(e coolify.Env) bool { return e.UUID == old.UUID })
	})
	return append(all, written...)
}

// update returns the full set of flags for a key: Coolify treats an absent flag as false,
// and answers 500 for some. row is the current row, or nil.
func (s EnvSet) update(key string, row *coolify.Env) coolify.EnvUpdate {
	w := coolify.EnvUpdate{Key: key, Value: s.Values[key], Preview: s.Preview, Runtime: true, Literal: true}
	if row != nil {
		w.BuildTime, w.Multiline, w.ShownOnce, w.Runtime = row.BuildTime, row.Multiline, row.ShownOnce, row.Runtime
	}
	for _, f := range []struct {
		to   *bool
		from *bool
	}{{&w.BuildTime, s.BuildTime}, {&w.Literal, s.Literal}, {&w.Multiline, s.Multiline}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if s.comment != "" || row != nil && strings.HasPrefix(row.Comment, addressComment) {
		w.Comment = &s.comment // a new value is no database's address
	}
	if w.BuildTime {
		w.Literal = true // else the build's shell would evaluate the value
	}
	return w
}

// DeleteEnvs deletes variables, including every row of a key that Coolify holds twice.
// Its result for a missing key is "absent", not an error.
func (a *App) DeleteEnvs(ctx context.Context, keys []string, preview bool) ([]EnvChange, error) {
	if err := a.scope.Require(tenancy.Write); err != nil {
		return nil, err
	}
	if err := refuseEnvKeys(keys); err != nil {
		return nil, err
	}
	a.forgetRows()
	values, _, err := a.envValues(ctx)
	if err != nil {
		return nil, err
	}
	rows := rowsOf(values)
	kept, err := a.keepValues(ctx, valuesOf(values, keys))
	if err != nil {
		return nil, err
	}
	defer kept.close(ctx)
	return a.each("deleted", slices.Compact(slices.Sorted(slices.Values(keys))), func(k string) (EnvChange, error) {
		change, err := a.deleteEnv(ctx, k, preview, rows)
		if err == nil {
			kept.end(k, preview, secret.Text{})
		}
		return change, err
	})
}

func (a *App) deleteEnv(ctx context.Context, key string, preview bool, rows envRows) (EnvChange, error) {
	change := EnvChange{Key: key, Action: "absent"}
	doomed := rows.of(key, preview)
	if len(doomed) > 0 {
		change.Action = "deleted"
	}
	if !preview {
		for _, twin := range rows.of(key, true) {
			if mirrorsProduction(twin) {
				doomed, change.Preview = append(doomed, twin), "follows"
			} else {
				change.Preview = "own"
			}
		}
	}
	for _, e := range doomed {
		err := a.app.Calls.DeleteEnv(ctx, e.UUID)
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return EnvChange{}, tenancy.UpstreamError("delete the variable", err)
		}
	}
	return change, nil
}

// each calls do for each key. If a call fails, the error says at which key, and which
// keys are done.
func (a *App) each(done string, keys []string, do func(string) (EnvChange, error)) ([]EnvChange, error) {
	changes := make([]EnvChange, 0, len(keys))
	for i, k := range keys {
		c, err := do(k)
		if err == nil {
			c.Key = a.scope.Text(k).String()
			changes = append(changes, c)
			continue
		}
		e := *tenancy.Public(err)
		e.Msg += " (at " + k
		if i > 0 {
			e.Msg += "; " + done + " before that: " + strings.Join(keys[:i], ", ")
		}
		e.Msg += ")"
		e.Hint = strings.TrimPrefix(e.Hint+"; calling again with all keys is safe", "; ")
		return nil, &e
	}
	return changes, nil
}

// envRows holds an app's rows, not keys: Coolify allows several rows of one key.
type envRows struct{ all []coolify.Env }

func (a *App) envRows(ctx context.Context) (envRows, error) {
	all, err := a.app.Calls.Envs(ctx)
	if err != nil {
		return envRows{}, tenancy.UpstreamError("list the variables", err)
	}
	return envRows{all}, nil
}

// rowsOf returns the rows of values.
func rowsOf(values []coolify.EnvValue) envRows {
	var rows envRows
	for _, v := range values {
		rows.all = append(rows.all, v.Env)
	}
	return rows
}

func (r envRows) of(key string, preview bool) []coolify.Env {
	var rows []coolify.Env
	for _, e := range r.all {
		if e.Key == key && e.Preview == preview {
			rows = append(rows, e)
		}
	}
	return rows
}

// single returns the first row of a key, or nil.
func (r envRows) single(key string, preview bool) *coolify.Env {
	if rows := r.of(key, preview); len(rows) > 0 {
		return &rows[0]
	}
	return nil
}

func (r envRows) refuseDuplicates(keys []string) error {
	var twice []string
	for _, k := range keys {
		if len(r.of(k, false)) > 1 {
			twice = append(twice, k)
		}
		if len(r.of(k, true)) > 1 {
			twice = append(twice, k+" (scope preview)")
		}
	}
	if len(twice) == 0 {
		return nil
	}
	return &tenancy.Error{
		Code: tenancy.Conflict,
		Msg: "Coolify holds these keys more than once, so which one applies is undefined: " +
			strings.Join(twice, ", "),
		Hint: "delete them with envs_delete in that scope, which removes every copy, then set them again",
	}
}

// mirrorsProduction reports whether a preview row holds the production value: either Coolify copied
// it and it has not been edited since, or vibn-mcp keeps it in step.
func mirrorsProduction(twin coolify.Env) bool {
	switch {
	case twin.Comment == followMark:
		return true
	case twin.Comment == ownMark, twin.CreatedAt.IsZero():
		return false
	}
	age := twin.UpdatedAt.Sub(twin.CreatedAt)
	return age >= 0 && age < untouched
}

var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

func refuseEnvKeys(keys []string) error {
	if len(keys) == 0 || len(keys) > MaxEnvKeys {
		return &tenancy.Error{Code: tenancy.Invalid, Msg: fmt.Sprintf("give 1 to %d keys in a call", MaxEnvKeys)}
	}
	for _, k := range keys {
		if !envKey.MatchString(k) || len(k) > maxEnvKey {
			return &tenancy.Error{
				Code: tenancy.Invalid, Msg: fmt.Sprintf("%q is not a variable's name", cleanKey(k)),
				Hint: "a name has letters, digits, underscores and dots, does not begin with a digit, and has at most " +
					"255 characters",
			}
		}
	}
	return nil
}

// refuseEnvSet checks keys and values before the first request to Coolify. It checks each
// value as that of a new key.
func refuseEnvSet(set EnvSet) error {
	if err := refuseEnvKeys(slices.Collect(maps.Keys(set.Values))); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(set.Values)) {
		if why := refuseEnvValue(set.Values[k].Reveal()); why != "" {
			return &tenancy.Error{Code: tenancy.Invalid, Msg: fmt.Sprintf("the value of %s %s", k, why)}
		}
		if _, _, err := asStored(set.update(k, nil)); err != nil {
			return err
		}
	}
	return nil
}

// asStored returns the write with the value that Coolify has to store, and in which form
// that reaches the app if not unchanged. It refuses a value that could not reach the app.
func asStored(w coolify.EnvUpdate) (as coolify.EnvUpdate, arrives string, err error) {
	stored, why, hint := storedEnv(w)
	if why != "" {
		return w, "", &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("the value of %s %s", w.Key, why), Hint: hint,
		}
	}
	arrives = arrival(stored, w.Literal || w.Multiline)
	if isRewritten := mayBeJSON(stored) && !w.Value.Equal(stored); isRewritten {
		arrives = arrivesAsJSON
	}
	w.Value = secret.NewText(stored)
	if w.Literal && strings.Contains(stored, "\n") {
		w.Multiline = true // else it would break the build's Dockerfile
	}
	return w, arrives, nil
}

// refuseEnvWrite checks one write against the rules for builds on a shared host.
func refuseEnvWrite(p tenancy.Placement, app coolify.Application, w coolify.EnvUpdate) error {
	if !sharesBuildHost(p, app) || !w.BuildTime {
		return nil
	}
	if reason := refuseBuildKey(w.Key); reason != "" {
		return sharedHostError(
			fmt.Sprintf("the build-time variable %q %s", w.Key, reason), "set it with build_time false",
		)
	}
	return nil
}
