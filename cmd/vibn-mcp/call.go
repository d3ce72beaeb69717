package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var callCommand = command{
	name: "call", args: "TOOL", about: "call a tool: its arguments are flags; with VIBN_URL, on the server there",
	needs: slices.Concat([]string{"VIBN_API_KEY"}, serverNeeds),
	run:   callHere,
}

// remoteCallCommand is call where VIBN_URL names a server.
var remoteCallCommand = command{
	name: "call", args: "TOOL", reads: bridgeCommand.reads, needs: bridgeCommand.needs,
	run: callThere,
}

// toolRegistry describes the tools; calls of it never reach anything.
func toolRegistry() *mcp.Registry { return mcp.New(slog.New(slog.DiscardHandler)) }

// addToolFlags makes a flag of each argument of the tool that args name, if any.
func addToolFlags(fs *pflag.FlagSet, args []string) {
	fs.Bool("json", false, "print the answer as JSON")
	fs.String("args", "", "a JSON object of arguments, or - to read it from standard input, where nobody sees it")
	if len(args) == 0 {
		return
	}
	params, _ := toolRegistry().Params(args[0])
	for _, p := range params {
		about := p.About
		if len(p.Enum) > 0 {
			about += ": " + strings.Trim(fmt.Sprint(p.Enum), "[]")
		}
		if p.Required {
			about += " (required)"
		}
		switch p.Type {
		case "boolean":
			fs.Bool(flagOf(p), false, about)
		case "array":
			fs.StringSlice(flagOf(p), nil, about)
		case "object":
			fs.StringToString(flagOf(p), nil, about+"; NAME=VALUE")
		case "integer":
			fs.Int(flagOf(p), 0, about)
		default:
			fs.String(flagOf(p), "", about)
		}
	}
}

func flagOf(p mcp.Param) string { return strings.ReplaceAll(p.Name, "_", "-") }

// toolArgs puts the arguments together: those of --args, and the flags, which win.
func (p *program) toolArgs() (json.RawMessage, error) {
	args := map[string]any{}
	params, ok := toolRegistry().Params(p.args[0])
	if !ok {
		return nil, usageError{fmt.Sprintf("there is no tool %q", untrusted.Clean(p.args[0])), "the tools: " + toolNames()}
	}
	if raw := p.text("args"); raw != "" {
		if err := p.readArgs(raw, &args); err != nil {
			return nil, err
		}
	}
	for _, param := range params {
		if !p.flags.Changed(flagOf(param)) {
			continue
		}
		v, err := p.flagValue(param)
		if err != nil {
			return nil, err
		}
		args[param.Name] = v
	}
	return json.Marshal(args)
}

func (p *program) readArgs(raw string, args *map[string]any) error {
	if raw == "-" {
		in, err := io.ReadAll(io.LimitReader(p.stdin, mcp.MaxBody))
		if err != nil {
			return err
		}
		raw = string(in)
	}
	if err := json.Unmarshal([]byte(raw), args); err != nil || *args == nil {
		return usageError{"--args is not a JSON object", `as --args '{"app": "web"}'`}
	}
	return nil
}

func (p *program) flagValue(param mcp.Param) (any, error) {
	name := flagOf(param)
	switch param.Type {
	case "boolean":
		return p.flags.GetBool(name)
	case "array":
		return p.flags.GetStringSlice(name)
	case "object":
		return p.flags.GetStringToString(name)
	case "integer":
		return p.flags.GetInt(name)
	}
	return p.flags.GetString(name)
}

func toolNames() string {
	var names []string
	for _, t := range toolRegistry().Tools() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// callHere calls the tool in this process.
func callHere(ctx context.Context, p *program) error {
	args, err := p.toolArgs()
	if err != nil {
		return err
	}
	h, err := p.house(ctx, slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return err
	}
	defer h.close()
	scope, err := h.guard.OpenKey(ctx, p.cfg.apiKey.Reveal())
	if err != nil {
		return err
	}
	out, err := h.registry.Call(ctx, scope, mcp.Request{Tool: p.args[0], Args: args, Client: "vibn-mcp call"})
	if err != nil {
		e := *tenancy.Public(err)
		e.Err = nil // the cause is in the log
		return &e
	}
	return p.showAnswer(out)
}

// callThere calls the tool on the server at VIBN_URL, over MCP.
func callThere(ctx context.Context, p *program) error {
	args, err := p.toolArgs()
	if err != nil {
		return err
	}
	b, err := mcp.NewBridge(p.cfg.serverURL, p.cfg.apiKey, slog.New(slog.DiscardHandler))
	if err != nil {
		return badServerURL(err)
	}
	out, err := b.Call(ctx, p.args[0], args, "vibn-mcp call", version())
	if err != nil {
		return err
	}
	return p.showAnswer(out)
}

// showAnswer prints an answer as JSON, or in words and tables for people.
func (p *program) showAnswer(raw json.RawMessage) error {
	if asJSON, _ := p.flags.GetBool("json"); asJSON { // the command itself defines the flag
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, raw, "", "  "); err != nil {
			return err
		}
		return p.printf("%s\n", pretty.String())
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil {
		return errors.New("the answer is not a JSON object")
	}
	for _, name := range slices.Sorted(maps.Keys(answer)) {
		if err := p.showField(name, answer[name]); err != nil {
			return err
		}
	}
	return nil
}

// showField prints one field: a list of objects as a table, text that has lines
// as lines, anything else on a line of its own.
func (p *program) showField(name string, v any) error {
	if list, ok := v.([]any); ok && len(list) > 0 {
		if _, ok := list[0].(map[string]any); ok {
			return p.showTable(list)
		}
	}
	if s, ok := v.(string); ok && strings.Contains(s, "\n") {
		for _, line := range untrusted.CleanLines(s) {
			if err := p.printf("%s\n", line); err != nil {
				return err
			}
		}
		return nil
	}
	return p.printf("%s: %s\n", strings.ReplaceAll(name, "_", " "), cell(v))
}

func (p *program) showTable(list []any) error {
	columns := map[string]bool{}
	for _, item := range list {
		row, _ := item.(map[string]any)
		for name := range row {
			columns[name] = true
		}
	}
	head := slices.Sorted(maps.Keys(columns))
	var rows [][]string
	for _, item := range list {
		row, _ := item.(map[string]any)
		var cells []string
		for _, name := range head {
			cells = append(cells, cell(row[name]))
		}
		rows = append(rows, cells)
	}
	titles := make([]string, len(head))
	for i, name := range head {
		titles[i] = strings.ToUpper(strings.ReplaceAll(name, "_", " "))
	}
	return p.show(nil, titles, rows)
}

// cell is a value as a table shows it, cleaned.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return untrusted.Clean(v)
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, cell(item))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+" "+cell(v[name]))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
