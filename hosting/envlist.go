package hosting

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// EnvInfo is what a tenant may know of a variable: everything but its value.
type EnvInfo struct {
	Key       string `json:"key"`
	BuildTime bool   `json:"build_time"`
	Runtime   bool   `json:"runtime"`
	Literal   bool   `json:"literal"`
	Multiline bool   `json:"multiline"`
	Locked    bool   `json:"locked,omitempty"`    // Coolify hides its value too
	Duplicate bool   `json:"duplicate,omitempty"` // Coolify holds the key twice: which one counts is undefined
	Arrives   string `json:"arrives,omitempty"`   // how its value reaches the app; empty = unchanged, or not known
	UpdatedAt string `json:"updated_at,omitempty"`
}

// EnvList is the result of listing variables.
type EnvList struct {
	Envs []EnvInfo // sorted by key
	Note string    // why Arrives is not known; empty = it is
}

// noteNotJudged explains why a list does not say how values arrive.
const noteNotJudged = "how values reach the app is not known, as this server has no token that may read them"

// Envs lists the app's variables of production, or of previews. It reads the values, if
// this server may, to say which reach the app changed. It does not show them.
func (a *App) Envs(ctx context.Context, preview bool) (EnvList, error) {
	if err := a.scope.Require(tenancy.Read); err != nil {
		return EnvList{}, err
	}
	values, note, err := a.envValues(ctx)
	if err != nil {
		return EnvList{}, err
	}
	values = slices.DeleteFunc(values, func(v coolify.EnvValue) bool { return v.Preview != preview })
	list, copies := EnvList{Envs: []EnvInfo{}, Note: note}, map[string]int{}
	for _, v := range values {
		copies[v.Key]++
	}
	for _, v := range values {
		info := a.envInfo(v)
		info.Duplicate = copies[v.Key] > 1
		list.Envs = append(list.Envs, info)
	}
	slices.SortStableFunc(list.Envs, func(a, b EnvInfo) int { return cmp.Compare(a.Key, b.Key) })
	return list, nil
}

// envValues returns the app's rows with their values, or, where this server may not read
// values, without them and with a note.
func (a *App) envValues(ctx context.Context) (values []coolify.EnvValue, note string, err error) {
	if a.app.Values != nil {
		values, err = a.app.Values.EnvValues(ctx)
		if err == nil {
			return values, "", nil
		}
		if !errors.Is(err, coolify.ErrForbidden) && !errors.Is(err, coolify.ErrUnauthorized) {
			return nil, "", tenancy.UpstreamError("list the variables", err)
		}
	}
	rows, err := a.envRows(ctx) // without values
	for _, e := range rows.all {
		values = append(values, coolify.EnvValue{Env: e})
	}
	return values, noteNotJudged, err
}

func (a *App) envInfo(v coolify.EnvValue) EnvInfo {
	info := EnvInfo{
		Key: a.scope.Text(v.Key).String(), BuildTime: v.BuildTime, Runtime: v.Runtime, Literal: v.Literal,
		Multiline: v.Multiline, Locked: v.ShownOnce, Arrives: rowArrival(v),
	}
	if !v.UpdatedAt.IsZero() {
		info.UpdatedAt = v.UpdatedAt.UTC().Format(tenancy.TimeFormat)
	}
	return info
}

// rowArrival says in which form the value of a row reaches the app; "" if unchanged, or
// not known.
func rowArrival(v coolify.EnvValue) string {
	stored, way := v.Value.Reveal(), ""
	if v.Runtime {
		way = arrival(stored, v.Literal || v.Multiline)
	}
	if way == "" && v.BuildTime && strings.Contains(stored, "'") {
		way = "not in builds: a single quote in it breaks them"
	}
	return way
}
