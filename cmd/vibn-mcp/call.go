package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var callCommand = command{
	name: "call", args: "TOOL", about: "call a tool: its arguments are flags; with VIBN_URL, on the server there",
	needs: slices.Concat([]string{"VIBN_API_KEY"}, serverNeeds),
	flags: addCallFlags, run: callHere,
}

// remoteCallCommand is call for a server at VIBN_URL.
var remoteCallCommand = command{
	name: "call", args: "TOOL", reads: bridgeCommand.reads, needs: bridgeCommand.needs,
	run: callThere,
}

func addCallFlags(fs *pflag.FlagSet) {
	fs.Bool("json", false, "print the answer as JSON, and a failure as JSON on standard error")
	fs.String("args", "", "a JSON object of arguments, or - to read it from standard input, so it never "+
		"enters the shell's history")
}

// toolRegistry describes the tools. It is never used to call them.
var toolRegistry = sync.OnceValue(func() *mcp.Registry { return mcp.New(slog.New(slog.DiscardHandler)) })

// forTool returns call adapted to the tool named in args, if there is one: with a flag
// for each argument, and help about the tool.
func forTool(call command, args []string) command {
	registry := toolRegistry()
	tools := registry.Tools()
	for _, name := range args {
		at := slices.IndexFunc(tools, func(t mcp.Tool) bool { return name == t.Name || name == t.WireName() })
		if at < 0 {
			continue
		}
		params, _ := registry.Params(name)
		call.args, call.about = tools[at].Name, tools[at].Description
		call.flags = func(fs *pflag.FlagSet) {
			addCallFlags(fs)
			for _, p := range params {
				addArgument(fs, p)
			}
		}
		return call
	}
	return call
}

// An argument is the flag of a tool's argument. It accepts any text: the tool validates
// it, with the same messages as over MCP and REST.
type argument struct {
	mcp.Param
	given []string
}

func addArgument(fs *pflag.FlagSet, p mcp.Param) {
	about := p.About
	if len(p.Limits) > 0 {
		about += " (" + strings.Join(p.Limits, ", ") + ")"
	}
	switch p.Type {
	case "array":
		about += "; may be repeated"
	case "object":
		about += "; NAME=VALUE, may be repeated"
	}
	flag := fs.VarPF(&argument{Param: p}, strings.ReplaceAll(p.Name, "_", "-"), "", about)
	if p.Type == "boolean" {
		flag.NoOptDefVal = "true"
	}
}

// Set implements [pflag.Value].
func (a *argument) Set(text string) error {
	a.given = append(a.given, text)
	return nil
}

// String implements [pflag.Value]. An argument has no default of its own.
func (a *argument) String() string { return "" }

// Type implements [pflag.Value]. It returns the word for a value in help.
func (a *argument) Type() string {
	words := map[string]string{"boolean": "bool", "integer": "int"}
	return cmp.Or(words[a.Param.Type], "string")
}

// toolArgs combines the arguments of --args and of the flags. The flags take precedence.
func (p *program) toolArgs() (json.RawMessage, error) {
	registry, tool := toolRegistry(), p.args[0]
	if _, ok := registry.Params(tool); !ok {
		return nil, usageError{fmt.Sprintf("there is no tool %q", untrusted.Clean(tool)), "the tools: " + toolNames()}
	}
	args, err := p.readArgs()
	if err != nil {
		return nil, err
	}
	texts := url.Values{}
	p.flags.Visit(func(f *pflag.Flag) {
		a, ok := f.Value.(*argument)
		switch {
		case !ok:
		case a.Param.Type == "object":
			args[a.Name], err = namedValues(f.Name, a.given)
		default:
			texts[a.Name] = a.given
		}
	})
	if err != nil {
		return nil, err
	}
	maps.Copy(args, registry.FromQuery(tool, texts))
	return json.Marshal(args)
}

// readArgs reads the arguments in --args.
func (p *program) readArgs() (map[string]any, error) {
	raw := p.text("args")
	if raw == "-" {
		in, err := io.ReadAll(io.LimitReader(p.stdin, mcp.MaxBody+1))
		if err != nil {
			return nil, err
		}
		raw = string(in)
	}
	args := map[string]any{}
	if raw == "" {
		return args, nil
	}
	if len(raw) > mcp.MaxBody {
		return nil, usageError{fmt.Sprintf("--args is larger than %d bytes", mcp.MaxBody), "send less in one call"}
	}
	if err := json.Unmarshal([]byte(raw), &args); err != nil || args == nil {
		return nil, usageError{"--args is not a JSON object", `as --args '{"app": "web"}'`}
	}
	return args, nil
}

// namedValues parses NAME=VALUE. Its errors do not repeat the text, because values may be
// secret.
func namedValues(flag string, texts []string) (map[string]string, error) {
	values := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usageError{"--" + flag + " is not NAME=VALUE", "as --" + flag + " GREETING=hello"}
		}
		values[name] = value
	}
	return values, nil
}

func toolNames() string {
	var names []string
	for _, t := range toolRegistry().Tools() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// toolTitles lists the tools for people.
func toolTitles() string {
	var b strings.Builder
	for _, t := range toolRegistry().Tools() {
		fmt.Fprintf(&b, "  %-18s  %s\n", t.Name, t.Title)
	}
	return b.String()
}

// callHere calls the tool in this process.
func callHere(ctx context.Context, p *program) error {
	args, err := p.toolArgs()
	if err != nil {
		return err
	}
	h, err := p.openServer(ctx, p.callLog())
	if err != nil {
		return err
	}
	defer h.close()
	scope, err := h.guard.OpenKey(ctx, p.cfg.apiKey.Reveal())
	if err != nil {
		return withoutCause(err)
	}
	out, err := h.registry.Call(ctx, scope, mcp.Request{Tool: p.args[0], Args: args, Client: "vibn-mcp call"})
	if err != nil {
		return withoutCause(err)
	}
	return p.showAnswer(out)
}

// callLog returns a logger for this program's own errors. It writes JSON if a program
// reads standard error.
func (p *program) callLog() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelError}
	if p.wantsJSON() {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}

// withoutCause returns the part of an error that a tenant may see; the cause is in the
// log.
func withoutCause(err error) error {
	e := *tenancy.Public(err)
	e.Err = nil
	return &e
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
		return withoutCause(err)
	}
	return p.showAnswer(out)
}
