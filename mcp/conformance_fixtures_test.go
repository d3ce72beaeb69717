package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// fixtures returns a server with the tools, resources and prompts that the
// conformance suite asks for by name. They stand in for the program's own; what
// is under test is everything around them.
func fixtures() *sdk.Server {
	srv := sdk.NewServer(&sdk.Implementation{Name: "fixtures", Version: "1"}, &sdk.ServerOptions{
		CompletionHandler: func(context.Context, *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
			return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}, nil
		},
		SubscribeHandler:   func(context.Context, *sdk.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *sdk.UnsubscribeRequest) error { return nil },
	})
	for name, result := range plainTools {
		addFixture(srv, name, anyInput, says(result))
	}
	addFixture(srv, "json_schema_2020_12_tool", schema2020, says(`{"content":[{"type":"text","text":"taken"}]}`))
	addFixture(srv, "test_x_mcp_header", headerInput, says(`{"content":[{"type":"text","text":"taken"}]}`))
	addFixture(srv, "test_tool_with_progress", anyInput, reportProgress)
	addFixture(srv, "test_missing_capability", anyInput, needsSampling)
	addFixture(srv, "test_trigger_tool_change", anyInput, change(func() {
		addFixture(srv, "test_passing", anyInput, says(`{"content":[]}`))
		srv.RemoveTools("test_passing")
	}))
	addFixture(srv, "test_trigger_prompt_change", anyInput, change(func() {
		srv.AddPrompt(&sdk.Prompt{Name: "test_passing"}, promptSays(`{"messages":[]}`))
		srv.RemovePrompts("test_passing")
	}))
	for name, d := range dialogues {
		addFixture(srv, name, anyInput, d.tool)
	}
	addResources(srv)
	addPrompts(srv)
	return srv
}

const (
	anyInput    = `{"type":"object"}`
	headerInput = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`
	// schema2020 holds one of each keyword that must reach the client as it is.
	schema2020 = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
		"$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},
		"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"phone":{"type":"string"},"email":{"type":"string"},
			"contactMethod":{"type":"string","enum":["phone","email"]}},
		"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],
		"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},
		"then":{"required":["phone"]},"else":{"required":["email"]}}`

	png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==" // one red pixel
	wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="                                     // no sample

	pngContent = `{"type":"image","mimeType":"image/png","data":"` + png + `"}`
)

// plainTools are the tools that give one answer whatever they are asked.
var plainTools = map[string]string{
	"test_simple_text":       `{"content":[{"type":"text","text":"This is a simple text response for testing."}]}`,
	"test_image_content":     `{"content":[` + pngContent + `]}`,
	"test_audio_content":     `{"content":[{"type":"audio","mimeType":"audio/wav","data":"` + wav + `"}]}`,
	"test_embedded_resource": `{"content":[{"type":"resource","resource":{"uri":"test://embedded-resource","mimeType":"text/plain","text":"embedded"}}]}`,
	"test_multiple_content_types": `{"content":[{"type":"text","text":"several kinds"},` + pngContent + `,
		{"type":"resource","resource":{"uri":"test://mixed-content-resource","mimeType":"application/json","text":"{\"test\":\"data\",\"value\":123}"}}]}`,
	"test_error_handling": `{"isError":true,"content":[{"type":"text","text":"This tool intentionally returns an error for testing"}]}`,
	// The program sends no log messages to clients, so neither does this.
	"test_logging_tool": `{"content":[{"type":"text","text":"nothing to log"}]}`,
}

func addFixture(srv *sdk.Server, name, input string, call sdk.ToolHandler) {
	srv.AddTool(&sdk.Tool{Name: name, Description: "A tool of the conformance suite.", InputSchema: json.RawMessage(input)}, call)
}

// says returns a tool that answers with a result. Each call decodes it anew, as
// the SDK writes into results.
func says(result string) sdk.ToolHandler {
	return func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		var r sdk.CallToolResult
		err := json.Unmarshal([]byte(result), &r)
		return &r, err
	}
}

// promptSays returns a prompt whose arguments go where {their names} stand.
func promptSays(result string) sdk.PromptHandler {
	return func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
		filled := result
		for name, value := range req.Params.Arguments {
			filled = strings.ReplaceAll(filled, "{"+name+"}", value)
		}
		var r sdk.GetPromptResult
		err := json.Unmarshal([]byte(filled), &r)
		return &r, err
	}
}

func change(lists func()) sdk.ToolHandler {
	return func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		lists()
		return &sdk.CallToolResult{Content: []sdk.Content{}}, nil
	}
}

func reportProgress(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	token := req.Params.GetProgressToken()
	for _, done := range []float64{0, 50, 100} {
		if token == nil {
			break
		}
		if err := req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Progress: done, Total: 100}); err != nil {
			return nil, err
		}
	}
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "done"}}}, nil
}

func needsSampling(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	if can(req.ClientCapabilities(), "sampling/createMessage") {
		return &sdk.CallToolResult{Content: []sdk.Content{}}, nil
	}
	return nil, &jsonrpc.Error{Code: -32021, Message: "this needs sampling", Data: json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`)}
}

// can reports whether a client takes requests of a method.
func can(client *sdk.ClientCapabilities, method string) bool {
	raw, err := json.Marshal(client)
	var declared map[string]any
	if err != nil || json.Unmarshal(raw, &declared) != nil {
		return false
	}
	area, _, _ := strings.Cut(method, "/")
	_, ok := declared[area]
	return ok
}

func addResources(srv *sdk.Server) {
	text := func(mime, text string) func(uri string) string {
		return func(uri string) string {
			return fmt.Sprintf(`{"contents":[{"uri":%q,"mimeType":%q,"text":%q}]}`, uri, mime, text)
		}
	}
	for uri, read := range map[string]func(uri string) string{
		"test://static-text":      text("text/plain", "This is the content of the static text resource."),
		"test://watched-resource": text("text/plain", "never changes"),
		"test://example-resource": text("text/plain", "example"),
		"test://static-binary": func(uri string) string {
			return fmt.Sprintf(`{"contents":[{"uri":%q,"mimeType":"image/png","blob":%q}]}`, uri, png)
		},
	} {
		srv.AddResource(&sdk.Resource{URI: uri, Name: strings.TrimPrefix(uri, "test://"), Description: "A resource of the conformance suite."}, reads(read))
	}
	srv.AddResourceTemplate(&sdk.ResourceTemplate{URITemplate: "test://template/{id}/data", Name: "template"}, reads(func(uri string) string {
		id := strings.TrimSuffix(strings.TrimPrefix(uri, "test://template/"), "/data")
		return text("application/json", fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id))(uri)
	}))
}

func reads(result func(uri string) string) sdk.ResourceHandler {
	return func(_ context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		var r sdk.ReadResourceResult
		err := json.Unmarshal([]byte(result(req.Params.URI)), &r)
		return &r, err
	}
}

func addPrompts(srv *sdk.Server) {
	add := func(name string, get sdk.PromptHandler, args ...string) {
		p := &sdk.Prompt{Name: name, Description: "A prompt of the conformance suite."}
		for _, arg := range args {
			p.Arguments = append(p.Arguments, &sdk.PromptArgument{Name: arg, Required: true})
		}
		srv.AddPrompt(p, get)
	}
	add("test_simple_prompt", promptSays(`{"messages":[{"role":"user","content":{"type":"text","text":"This is a simple prompt for testing."}}]}`))
	add("test_prompt_with_image", promptSays(`{"messages":[{"role":"user","content":`+pngContent+`},{"role":"user","content":{"type":"text","text":"Look."}}]}`))
	add("test_prompt_with_arguments", promptSays(`{"messages":[{"role":"user","content":{"type":"text","text":"arg1='{arg1}', arg2='{arg2}'"}}]}`), "arg1", "arg2")
	add("test_prompt_with_embedded_resource",
		promptSays(`{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"{resourceUri}","mimeType":"text/plain","text":"embedded"}}}]}`), "resourceUri")
	add("test_input_required_result_prompt", promptDialogue)
}
