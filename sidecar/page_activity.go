package sidecar

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

const (
	trailPage   = 50
	exportPage  = 500
	maxExported = 50_000
)

type activityPage struct {
	Entries []trailRow
	Tools   []string
	Actors  []people.Actor
	Tool    string
	Who     string
	Target  string
	Older   string // address of the next page; empty = this is the last
	Newest  bool   // true on the first page
	CSV     string
	JSONL   string
	Most    int
}

type trailRow struct {
	people.TrailEntry
	By     string // what the client called itself, cut
	On     string // name of the target, or its uuid, shortened
	State  string // good, bad, busy or off
	Detail string // the recorded arguments, in words
	Took   string
}

// pageCursor is the place in the audit trail where a page ends.
type pageCursor struct {
	At time.Time `json:"t"`
	ID string    `json:"i"`
}

func (v *visit) trailQuery() (tenancy.AuditQuery, url.Values, error) {
	asked := v.r.URL.Query()
	filter := url.Values{}
	for _, name := range []string{"tool", "who", "target"} {
		if s := strings.TrimSpace(asked.Get(name)); s != "" && len(s) <= 255 {
			filter.Set(name, s)
		}
	}
	q := tenancy.AuditQuery{
		Tool: mcp.RecordedName(filter.Get("tool")), Principal: filter.Get("who"), Target: filter.Get("target"),
	}
	cursor := asked.Get("after")
	if cursor == "" {
		return q, filter, nil
	}
	var c pageCursor
	if err := v.scope.OpenCursor("activity page", cursor, &c); err != nil {
		return q, filter, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this page of the activity is not there",
			Hint: "begin again with the newest entries",
		}
	}
	q.BeforeAt, q.BeforeID = c.At, c.ID
	return q, filter, nil
}

func (v *visit) activity() error {
	v.frame.Tab = "activity"
	ctx := v.r.Context()
	q, filter, err := v.trailQuery()
	if err != nil {
		return err
	}
	q.Limit = trailPage + 1
	entries, err := people.Trail(ctx, v.scope, q)
	if err != nil {
		return err
	}
	p := activityPage{
		Tools: v.cfg.recordedTools(), Tool: filter.Get("tool"), Who: filter.Get("who"), Target: filter.Get("target"),
		Newest: q.BeforeID == "", Most: maxExported,
	}
	shown := []string{q.Principal}
	for _, e := range entries[:min(len(entries), trailPage)] {
		shown = append(shown, e.Principal)
		p.Entries = append(
			p.Entries,
			trailRow{
				e, clientName(e.Client), shorten(e.On.String()), outcomeState(e.Outcome), argsText(e.Args),
				durationText(e),
			},
		)
	}
	if p.Actors, err = people.Actors(ctx, v.scope, shown); err != nil {
		return err
	}
	p.CSV = v.workspacePath("activity", "export.csv") + query(filter)
	p.JSONL = v.workspacePath("activity", "export.jsonl") + query(filter)
	if len(entries) > trailPage {
		last := entries[trailPage-1]
		after, err := v.scope.SealCursor("activity page", pageCursor{last.At, last.ID})
		if err != nil {
			return err
		}
		filter.Set("after", after)
		p.Older = v.workspacePath("activity") + query(filter)
	}
	return v.show(http.StatusOK, "activity.html", "Activity", p)
}

func query(v url.Values) string {
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// recordedTools lists the names in the audit trail: every tool that does more than read, and
// the actions of people and of the platform.
func (c Config) recordedTools() []string {
	names := []string{
		"envs.reveal", "keys.create", "keys.revoke", "link.create", "link.join", "link.sign_in",
		"members.invite", "members.remove", "members.set_role", "members.withdraw_invite", "platform.reconcile",
		"workspace.allow", "workspace.create", "workspace.delete", "workspace.place", "workspace.plan",
		"workspace.provision",
		"workspace.rename_in_gitea", "workspace.resume", "workspace.rotate", "workspace.suspend",
	}
	for _, t := range c.Registry.Tools() {
		if t.Needs != tenancy.Read {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

// clientName returns a client's name for people. A browser's own description is long and
// useless, so it becomes "browser".
func clientName(claim string) string {
	if strings.HasPrefix(claim, "Mozilla/") {
		return "browser"
	}
	return shorten(untrusted.Clean(claim))
}

func outcomeState(outcome string) string {
	switch outcome {
	case "ok":
		return "good"
	case "started":
		return "busy"
	}
	return "bad"
}

func durationText(e people.TrailEntry) string {
	if e.Outcome == "started" || e.Duration < time.Millisecond {
		return ""
	}
	return e.Duration.Round(time.Millisecond).String()
}

// argsText writes arguments for people: a: 1, b: x, y.
func argsText(args string) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(args), &m); err != nil || len(m) == 0 {
		return ""
	}
	var parts []string
	for k, v := range m {
		parts = append(parts, strings.ReplaceAll(k, "_", " ")+": "+valueText(v))
	}
	slices.Sort(parts)
	return untrusted.Clean(strings.Join(parts, " · "))
}

func valueText(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var list []string
		for _, item := range v {
			list = append(list, valueText(item))
		}
		return strings.Join(list, ", ")
	case string:
		return v
	}
	return ""
}

// An exportRow is an entry of the downloaded trail.
type exportRow struct {
	At         string `json:"at"`
	Who        string `json:"who"`
	Principal  string `json:"principal"`
	Client     string `json:"client"`
	Tool       string `json:"tool"`
	Target     string `json:"target"`
	Args       string `json:"args"`
	Outcome    string `json:"outcome"`
	DurationMS int64  `json:"duration_ms"`
	Upstream   int    `json:"upstream_calls"`
	Times      int    `json:"times"`             // 1, or how often it was refused
	LastAt     string `json:"last_at,omitempty"` // of the last of several refusals
}

func rowOf(e people.TrailEntry) exportRow {
	row := exportRow{
		e.At.UTC().Format(time.RFC3339), e.Who.String(), e.Principal, untrusted.Clean(e.Client), e.Tool,
		untrusted.Clean(e.Target), e.Args,
		e.Outcome, e.Duration.Milliseconds(), e.UpstreamCalls, max(e.Refused, 1), "",
	}
	if e.Refused > 1 {
		row.LastAt = e.LastAt.UTC().Format(time.RFC3339)
	}
	return row
}

// export sends the trail, newest first, page by page. An error in the middle aborts the
// connection, so that a partial file does not look complete.
func (v *visit) export(kind, name string, write func(exportRow) error, flush func() error) error {
	q, _, err := v.trailQuery()
	if err != nil {
		return err
	}
	ctx, sent := v.r.Context(), 0
	q.Limit = exportPage
	for sent < maxExported {
		entries, err := v.exportPage(ctx, q, sent)
		if err != nil {
			return err
		}
		if sent == 0 {
			v.w.Header().Set("Content-Type", kind)
			v.w.Header().Set("Content-Disposition", `attachment; filename="`+v.scope.Slug()+`-`+name+`"`)
		}
		for _, e := range entries {
			if err := write(rowOf(e)); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if err := flush(); err != nil {
			panic(http.ErrAbortHandler)
		}
		sent += len(entries)
		if len(entries) < exportPage {
			return nil
		}
		last := entries[len(entries)-1]
		q.BeforeAt, q.BeforeID = last.At, last.ID
	}
	return nil
}

func (v *visit) exportPage(ctx context.Context, q tenancy.AuditQuery, sent int) ([]people.TrailEntry, error) {
	if sent > 0 { // the download takes as long as its reader likes
		if err := v.stillIn(ctx); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	entries, err := people.Trail(ctx, v.scope, q)
	if err != nil && sent > 0 {
		v.cfg.Log.WarnContext(ctx, "export broke off", "err", v.scope.ForLog(err))
		panic(http.ErrAbortHandler)
	}
	return entries, err
}

func (v *visit) exportCSV() error {
	out, first := csv.NewWriter(v.w), true
	return v.export("text/csv; charset=utf-8", "activity.csv", func(e exportRow) error {
		if first {
			first = false
			if err := out.Write(
				[]string{
					"at", "who", "principal", "client", "tool", "target", "args", "outcome", "duration_ms",
					"upstream_calls", "times", "last_at",
				},
			); err != nil {
				return err
			}
		}
		cells := []string{
			e.At, e.Who, e.Principal, e.Client, e.Tool, e.Target, e.Args, e.Outcome,
			strconv.FormatInt(e.DurationMS, 10), strconv.Itoa(e.Upstream), strconv.Itoa(e.Times), e.LastAt,
		}
		for i, c := range cells {
			cells[i] = escapeFormula(c)
		}
		return out.Write(cells)
	}, func() error {
		out.Flush()
		return out.Error()
	})
}

func (v *visit) exportJSONL() error {
	out := json.NewEncoder(v.w)
	return v.export(
		"application/jsonl; charset=utf-8", "activity.jsonl", func(e exportRow) error { return out.Encode(e) },
		func() error { return nil },
	)
}

// escapeFormula keeps a spreadsheet from reading a cell as a formula. It also covers the
// full-width forms of the signs.
func escapeFormula(cell string) string {
	if strings.ContainsAny(firstRune(strings.TrimLeft(cell, " ")), "=+-@\t\r\n＝＋－＠") {
		return "'" + cell
	}
	return cell
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// jsonOf encodes arguments for the audit trail.
func jsonOf(v map[string]any) json.RawMessage {
	if len(v) == 0 {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil { // strings and booleans always encode
		return nil
	}
	return raw
}
