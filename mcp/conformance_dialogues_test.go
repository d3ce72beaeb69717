package mcp_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A dialogue is a tool that asks its caller before it answers: each round is
// what it asks for at once, as the protocol's inputRequests. Where it has got to
// lies in the request state alone, as the server remembers nothing.
type dialogue struct {
	rounds []string
	state  bool // send a request state along
	picky  bool // ask only what the client can answer
}

const (
	askName    = `{"method":"elicitation/create","params":{"message":"What is your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}`
	askColour  = `{"method":"elicitation/create","params":{"message":"Which colour?","requestedSchema":{"type":"object","properties":{"color":{"type":"string"}},"required":["color"]}}}`
	askContext = `{"method":"elicitation/create","params":{"message":"Which context?","requestedSchema":{"type":"object","properties":{"context":{"type":"string"}},"required":["context"]}}}`
	askConfirm = `{"method":"elicitation/create","params":{"message":"Please confirm","requestedSchema":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}}}`
	askModel   = `{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"What is the capital of France?"}}],"maxTokens":100}}`
	askRoots   = `{"method":"roots/list","params":{}}`
)

var dialogues = map[string]dialogue{
	"test_input_required_result_elicitation":     {rounds: []string{`{"user_name":` + askName + `}`}},
	"test_input_required_result_sampling":        {rounds: []string{`{"capital_question":` + askModel + `}`}},
	"test_input_required_result_list_roots":      {rounds: []string{`{"client_roots":` + askRoots + `}`}},
	"test_input_required_result_request_state":   {rounds: []string{`{"confirm":` + askConfirm + `}`}, state: true},
	"test_input_required_result_tampered_state":  {rounds: []string{`{"confirm":` + askConfirm + `}`}, state: true},
	"test_input_required_result_multiple_inputs": {rounds: []string{`{"user_name":` + askName + `,"greeting":` + askModel + `,"client_roots":` + askRoots + `}`}, state: true},
	"test_input_required_result_multi_round":     {rounds: []string{`{"step1":` + askName + `}`, `{"step2":` + askColour + `}`}, state: true},
	"test_input_required_result_capabilities":    {rounds: []string{`{"user_name":` + askName + `,"greeting":` + askModel + `}`}, picky: true},
	"test_streaming_elicitation":                 {rounds: []string{`{"user_name":` + askName + `}`}},
}

// promptRounds is the dialogue of a prompt.
var promptRounds = dialogue{rounds: []string{`{"user_context":` + askContext + `}`}}

func (d dialogue) tool(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	ask, state, err := d.next(req.ClientCapabilities(), req.Params.InputResponses, req.Params.RequestState)
	if err != nil || ask != nil {
		return &sdk.CallToolResult{InputRequests: ask, RequestState: state}, err
	}
	answers, err := json.Marshal(req.Params.InputResponses)
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "state-ok, told " + string(answers)}}}, err
}

func promptDialogue(ctx context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
	ask, state, err := promptRounds.next(req.ClientCapabilities(), req.Params.InputResponses, req.Params.RequestState)
	if err != nil || ask != nil {
		return &sdk.GetPromptResult{InputRequests: ask, RequestState: state}, err
	}
	return promptSays(`{"messages":[{"role":"user","content":{"type":"text","text":"told"}}]}`)(ctx, req)
}

// next returns what to ask now and the state to send along; nothing when all is
// answered. A state that it did not make is refused: it comes from the client.
func (d dialogue) next(client *sdk.ClientCapabilities, told sdk.InputResponseMap, state string) (sdk.InputRequestMap, string, error) {
	states := []string{"first round", "second round"}
	round := max(slices.Index(states, state), 0)
	if state != "" && !slices.Contains(states[:len(d.rounds)], state) {
		return nil, "", &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the request state is not one of ours"}
	}
	ask, err := d.ask(client, round)
	if err == nil && answered(ask, told) {
		if round++; round == len(d.rounds) {
			return nil, "", nil
		}
		ask, err = d.ask(client, round)
	}
	if !d.state {
		return ask, "", err
	}
	return ask, states[round], err
}

func (d dialogue) ask(client *sdk.ClientCapabilities, round int) (sdk.InputRequestMap, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(d.rounds[round]), &all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(_ string, raw json.RawMessage) bool {
		var request struct{ Method string }
		return d.picky && (json.Unmarshal(raw, &request) != nil || !can(client, request.Method))
	})
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	ask := sdk.InputRequestMap{}
	err = json.Unmarshal(raw, &ask)
	return ask, err
}

func answered(ask sdk.InputRequestMap, told sdk.InputResponseMap) bool {
	for key := range ask {
		if told[key] == nil {
			return false
		}
	}
	return true
}
