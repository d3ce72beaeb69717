package forms

import (
	"maps"
	"slices"
)

// singleEvents are those that stand for themselves.
var singleEvents = []string{
	"create", "delete", "fork", "push", "repository", "wiki", "release", "package", "status", "workflow_run",
	"workflow_job",
}

// groups are what an event of a form stands for, in the order of an answer.
var groups = map[string][]string{
	"issues": {"issue_assign", "issue_label", "issue_milestone", "issue_comment", "issues"},
	"pull_request": {
		"pull_request_assign", "pull_request_milestone", "pull_request_review", "pull_request_review_request",
		"pull_request_label",
		"pull_request_comment", "pull_request", "pull_request_sync",
	},
	"issues_only":       {"issues"},
	"pull_request_only": {"pull_request"},
}

// ExpandEvents turns the events of a form into those of an answer. What Gitea does
// not know is dropped without a word.
func ExpandEvents(events []string) []string {
	if len(events) == 0 {
		events = []string{"push"}
	}
	out := []string{}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		if slices.Contains(events, group) {
			out = append(out, groups[group]...)
		}
	}
	for _, parts := range groups {
		for _, event := range parts {
			if slices.Contains(events, event) && groups[event] == nil {
				out = append(out, event)
			}
		}
	}
	for _, event := range singleEvents {
		if slices.Contains(events, event) {
			out = append(out, event)
		}
	}
	return slices.Compact(out)
}

// HookTypes are the kinds of webhooks.
var HookTypes = []string{
	"gitea", "gogs", "slack", "discord", "dingtalk", "telegram", "msteams", "feishu", "matrix", "wechatwork",
	"packagist",
}
