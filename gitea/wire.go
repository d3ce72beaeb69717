package gitea

import (
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// These types read Gitea's JSON.
type (
	text        = upstream.Text
	number      = upstream.Number
	flag        = upstream.Flag
	moment      = upstream.Moment
	part[T any] = upstream.Part[T]
)

// named reports whether the answer has the requested name. Gitea compares names without
// case.
func named(got text, asked string) bool { return strings.EqualFold(string(got), asked) }

// plainTexts returns the texts of a list; nil if it is empty.
func plainTexts(list []text) []string {
	var all []string
	for _, t := range list {
		all = append(all, string(t))
	}
	return all
}
