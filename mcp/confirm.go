package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	// asksPeople is the first version of the protocol in which an answer can be a
	// question to a person. The client then repeats the call with the person's answer.
	asksPeople = "2026-07-28"
	// question is the name of an answer's only question, and of its only field.
	question = "confirm"
)

// canAsk reports whether a person can be asked about this call. That depends on the
// client, the version of the protocol, and the tool.
func (e *entry) canAsk(req *sdk.CallToolRequest) bool {
	return e.needsPerson() && asksFor(req.Params.Meta, req.ClientCapabilities())
}

// needsPerson reports whether a person has to agree to a call of the tool.
func (e *entry) needsPerson() bool {
	_, ok := e.schema.Properties[question]
	return ok
}

// asksFor reports whether a client passes questions on to a person.
func asksFor(meta sdk.Meta, c *sdk.ClientCapabilities) bool {
	version, _ := meta[sdk.MetaKeyProtocolVersion].(string)
	return version >= asksPeople && c != nil && c.Elicitation != nil && (c.Elicitation.Form != nil ||
		c.Elicitation.URL == nil)
}

// callAsking is Call for a client that can ask a person. It ignores a confirmation that
// the model itself sends. The second result is a question; the client repeats the call
// with the answer to it.
func (r *Registry) callAsking(
	ctx context.Context, s *tenancy.Scope, e *entry, req *sdk.CallToolRequest, call Request,
) (json.RawMessage, *sdk.CallToolResult, error) {
	if err := s.Require(e.Needs); err != nil {
		return nil, nil, s.Public(err)
	}
	_, values, err := e.decode(call.Args)
	if err != nil {
		return nil, nil, s.Public(err)
	}
	delete(values, question)
	args := digest(values)
	answered := req.Params.RequestState != "" || len(req.Params.InputResponses) > 0
	if answered {
		agreed, err := confirmed(s, e, req, args)
		if err != nil {
			return nil, nil, s.Public(err)
		}
		values[question] = agreed.Name
		if agreed.Thing != "" {
			values[e.Target] = agreed.Thing // another thing may have the name by now
		}
	}
	if call.Args, err = json.Marshal(values); err != nil {
		return nil, nil, s.Public(err)
	}
	out, err := r.Call(ctx, s, call)
	c := confirmationOf(err)
	if c == nil || answered {
		return out, nil, err
	}
	ask, err := ask(s, e, *c, args)
	if err != nil {
		return nil, nil, s.Public(err)
	}
	return nil, ask, nil
}

// confirmationOf returns the confirmation that an error requires of a person; nil if
// none.
func confirmationOf(err error) *tenancy.Confirmation {
	if e, ok := errors.AsType[*tenancy.Error](err); ok {
		return e.Confirm
	}
	return nil
}

// ask returns the question whether to go on. The person types a name, so that they do not
// agree by accident.
func ask(s *tenancy.Scope, e *entry, c tenancy.Confirmation, args string) (*sdk.CallToolResult, error) {
	state, err := s.SealQuestion(e.Name, c, args)
	if err != nil {
		return nil, err
	}
	form := map[string]any{
		"type": "object", "required": []string{question}, "properties": map[string]any{
			question: map[string]string{
				"type": "string", "title": "Name", "description": "Type " + c.Name + " to go on",
			},
		},
	}
	return &sdk.CallToolResult{
		RequestState: state,
		InputRequests: sdk.InputRequestMap{
			question: &sdk.ElicitParams{
				Mode: "form", Message: c.What + ". Type " + c.Name + " to go on.", RequestedSchema: form,
			},
		},
	}, nil
}

// confirmed returns what a person has agreed to, or an error.
func confirmed(s *tenancy.Scope, e *entry, req *sdk.CallToolRequest, args string) (tenancy.Confirmation, error) {
	answer, _ := req.Params.InputResponses[question].(*sdk.ElicitResult)
	if answer != nil && answer.Action != "accept" {
		return tenancy.Confirmation{}, tenancy.ErrDeclined
	}
	typed := ""
	if answer != nil {
		typed, _ = answer.Content[question].(string)
	}
	return s.Confirmed(e.Name, req.Params.RequestState, args, typed)
}

// idempotencyKey is the argument that identifies a repeated call.
const idempotencyKey = "idempotency_key"

// claim stores the call's idempotency key, if the tool accepts one and the caller sent
// one.
func (e *entry) claim(ctx context.Context, s *tenancy.Scope, values map[string]any) error {
	key, _ := values[idempotencyKey].(string)
	if _, ok := e.schema.Properties[idempotencyKey]; !ok || key == "" {
		return nil
	}
	others := maps.Clone(values)
	delete(others, idempotencyKey)
	return s.ClaimKey(ctx, e.Name, key, digest(others))
}
