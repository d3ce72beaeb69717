package mcp

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addActivity(r *Registry) {
	Add(r, Tool{
		Name: "activity.list", Route: "GET /activity", Needs: tenancy.Read, Title: "List activity",
		Description: "List the changes made in this workspace, who made them and how each ended; newest first.",
	}, listActivity)
}

type activityIn struct {
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"1000"`
	Limit  int    `json:"limit,omitempty" jsonschema:"most entries to return" min:"1" max:"50" default:"20"`
	Tool   string `json:"tool,omitempty" jsonschema:"only this tool, as apps.deploy" max:"64"`
	Target string `json:"target,omitempty" jsonschema:"only this app or deployment (uuid)" max:"255"`
}

type activityEntry struct {
	At            string          `json:"at"` // RFC 3339, UTC
	Principal     string          `json:"principal"`
	Client        string          `json:"client,omitempty"` // what the client calls itself
	Tool          string          `json:"tool"`
	Target        string          `json:"target,omitempty"`
	Args          json.RawMessage `json:"args,omitempty"`
	Outcome       string          `json:"outcome"` // started, ok or an error's code
	DurationMS    int64           `json:"duration_ms"`
	UpstreamCalls int             `json:"upstream_calls"`
	Times         int             `json:"times,omitempty"`   // how often it was refused; absent = once
	LastAt        string          `json:"last_at,omitempty"` // of the last of several refusals
}

type activityOut struct {
	Entries   []activityEntry `json:"entries"`
	Truncated bool            `json:"truncated"`
	Cursor    string          `json:"next_cursor,omitempty"`
}

// after is the content of a cursor into the audit trail: the last entry shown.
type after struct {
	At time.Time `json:"t"`
	ID string    `json:"i"`
}

func listActivity(ctx context.Context, s *tenancy.Scope, in activityIn) (activityOut, error) {
	q := tenancy.AuditQuery{Tool: RecordedName(in.Tool), Target: in.Target, Limit: in.Limit + 1}
	if in.Cursor != "" {
		var a after
		if err := s.OpenCursor("activity.list", in.Cursor, &a); err != nil {
			return activityOut{}, err
		}
		q.BeforeAt, q.BeforeID = a.At, a.ID
	}
	entries, err := people.Activity(ctx, s, q)
	if err != nil {
		return activityOut{}, err
	}
	shown := []activityEntry{}
	for _, e := range entries[:min(len(entries), in.Limit)] {
		shown = append(shown, showEntry(e))
	}
	shown = fit(shown, maxPage)
	out := activityOut{Entries: shown, Truncated: len(entries) > len(shown)}
	if out.Truncated {
		last := entries[len(shown)-1]
		out.Cursor, err = s.SealCursor("activity.list", after{last.At, last.ID})
	}
	return out, err
}

func showEntry(e tenancy.AuditEntry) activityEntry {
	shown := activityEntry{
		At: e.At.UTC().Format(time.RFC3339), Principal: e.Principal, Client: text(e.Client), Tool: e.Tool,
		Target:  text(e.Target),
		Outcome: e.Outcome, DurationMS: e.Duration.Milliseconds(), UpstreamCalls: e.UpstreamCalls,
	}
	if e.Refused > 1 {
		shown.Times, shown.LastAt = e.Refused, e.LastAt.UTC().Format(time.RFC3339)
	}
	if json.Valid([]byte(e.Args)) && len(e.Args) <= maxShownArgs {
		shown.Args = json.RawMessage(e.Args)
	}
	return shown
}

// maxShownArgs limits the arguments of one entry, in bytes, so that a page holds many
// entries.
const maxShownArgs = 600
