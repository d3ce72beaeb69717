package mcp

import (
	"maps"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// A Param is one argument of a tool, for an interface that has to ask for it.
type Param struct {
	Name   string
	Type   string // string, integer, boolean, array (of text) or object (of text by name)
	About  string
	Limits []string // requirements for a value, in words: "required", "1 to 45"
}

// Params returns the arguments of a tool, sorted by name; false if there is no such tool.
func (r *Registry) Params(tool string) ([]Param, bool) {
	e, ok := r.lookup(tool)
	if !ok {
		return nil, false
	}
	var params []Param
	for _, name := range slices.Sorted(maps.Keys(e.schema.Properties)) {
		p := e.schema.Properties[name]
		params = append(params, Param{name, p.Type, p.Description, e.limits(name, p)})
	}
	return params, true
}

// Error converts a failure received from a server back into an error.
func (f Failure) Error() *tenancy.Error {
	return &tenancy.Error{
		Code: f.Code, Msg: f.Message, Hint: f.Hint, Retryable: f.Retryable,
		RetryAfter: time.Duration(f.RetryAfter) * time.Second,
	}
}
