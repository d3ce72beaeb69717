package mcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	// MaxAnswer limits every answer, in bytes.
	MaxAnswer = 64_000
	// callTime limits a call: the longest wait, plus time to answer it.
	callTime = hosting.MaxWait + 30*time.Second
)

// A Tool describes a tool, apart from its function. The input schema is derived from the
// function's input type; see [schemaOf].
type Tool struct {
	Name        string         // canonical, dotted: "apps.deploy"; see [Tool.WireName]
	Route       string         // its REST twin below /api/workspaces/{slug}: "POST /apps/{app}/deploy"
	Needs       tenancy.Rights // the one right that the principal must carry
	Title       string         // for people, a few words
	Description string         // for the model: what it does, when to use it; ASCII
	Idempotent  bool           // calling twice has the same effect as calling once
	Destructive bool           // may end or overwrite something
	Target      string         // the input property that names what the tool acts on, for the audit trail
	Keep        []string       // input properties that the audit trail keeps
}

// WireName returns the name that clients see: most reject dots.
func (t Tool) WireName() string { return strings.ReplaceAll(t.Name, ".", "_") }

// RecordedName returns the name in the audit trail for a tool's canonical or wire name.
// Actions that only people perform have no wire name, and their names may contain both a
// dot and an underscore.
func RecordedName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return strings.ReplaceAll(name, "_", ".")
}

// A Func is a tool's function. It sees one workspace and its own input.
type Func[In, Out any] func(ctx context.Context, s *tenancy.Scope, in In) (Out, error)

// A Registry holds the tools. [New] fills it; afterwards it is read-only.
type Registry struct {
	log    *slog.Logger
	tools  []*entry // by name
	byName map[string]*entry
}

type entry struct {
	Tool
	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
	output   *jsonschema.Schema // for the documents; it is not sent to clients
	run      func(ctx context.Context, s *tenancy.Scope, args json.RawMessage) (any, error)
}

// Add puts a tool into the registry. It panics on an invalid tool, which is a programming
// error.
func Add[In, Out any](r *Registry, t Tool, fn Func[In, Out]) {
	schema := schemaOf(reflect.TypeFor[In]())
	resolved, err := schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		panic(fmt.Sprintf("mcp: tool %s: %v", t.Name, err))
	}
	if _, twice := r.byName[t.WireName()]; twice || t.Title == "" || t.Description == "" || t.Route == "" ||
		t.Needs == 0 {
		panic(fmt.Sprintf("mcp: tool %s is there twice or lacks a part", t.Name))
	}
	e := &entry{Tool: t, schema: schema, resolved: resolved, output: outputSchema(reflect.TypeFor[Out]())}
	e.run = func(ctx context.Context, s *tenancy.Scope, args json.RawMessage) (any, error) {
		var in In
		if err := json.Unmarshal(args, &in); err != nil {
			return nil, err
		}
		return fn(ctx, s, in)
	}
	r.tools = append(r.tools, e)
	slices.SortFunc(r.tools, func(a, b *entry) int { return strings.Compare(a.Name, b.Name) })
	r.byName[t.WireName()] = e
}

// New returns the registry of all tools.
func New(log *slog.Logger) *Registry {
	r := &Registry{log: log, byName: map[string]*entry{}}
	for _, add := range []func(*Registry){
		addWorkspace, addGitea, addProjects, addApps, addAppChanges, addDeployments, addEnvs, addDomains, addDatabases,
		addActivity,
	} {
		add(r)
	}
	return r
}

// Tools returns the tools, sorted by name.
func (r *Registry) Tools() []Tool {
	tools := make([]Tool, 0, len(r.tools))
	for _, e := range r.tools {
		tools = append(tools, e.Tool)
	}
	return tools
}

// lookup finds a tool by its canonical or wire name.
func (r *Registry) lookup(name string) (*entry, bool) {
	e, ok := r.byName[strings.ReplaceAll(name, ".", "_")]
	return e, ok
}

// A Request is one call of a tool.
type Request struct {
	Tool   string          // canonical or wire name
	Args   json.RawMessage // a JSON object; empty = no arguments
	Client string          // what the client calls itself; a claim, for the audit trail
	Look   func(tenancy.DeploymentInfo)
}

// Call checks the right, decodes and validates the arguments, runs the tool and
// encodes its answer: one JSON object of at most [MaxAnswer] bytes. Every error
// is a [*tenancy.Error] that the caller may read; the cause goes to the log, in
// one line for each call.
func (r *Registry) Call(ctx context.Context, s *tenancy.Scope, req Request) (json.RawMessage, error) {
	e, ok := r.lookup(req.Tool)
	if !ok {
		return nil, &tenancy.Error{Code: tenancy.NotFound, Msg: "no such tool", Hint: "list the tools"}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	began := time.Now()
	out, upstream, err := r.call(ctx, e, s, req)
	r.logCall(ctx, e, s, req, time.Since(began), upstream, err)
	if err != nil {
		return nil, s.Public(err)
	}
	return out, nil
}

func (r *Registry) call(
	ctx context.Context, e *entry, s *tenancy.Scope, req Request,
) (out json.RawMessage, upstream int, err error) {
	if err := s.Require(e.Needs); err != nil {
		return nil, 0, err
	}
	args, values, err := e.decode(req.Args)
	if err != nil {
		return nil, 0, err
	}
	act, err := s.Begin(ctx, tenancy.Call{
		Tool: e.Name, Needs: e.Needs, Client: req.Client, Look: req.Look,
		Target: text(values[e.Target]), Args: e.keep(values),
	})
	if err != nil {
		return nil, 0, err
	}
	if err = e.claim(ctx, act, values); err == nil {
		out, err = r.run(ctx, e, act, args)
	}
	if c := confirmationOf(err); c != nil {
		c.Thing = act.Target()
	}
	act.End(ctx, err)
	return out, act.UpstreamCalls(), err
}

// run runs the tool's function. A panic in it ends the call, not the process. The panic's
// value is not logged, because it may hold a secret.
func (r *Registry) run(
	ctx context.Context, e *entry, s *tenancy.Scope, args json.RawMessage,
) (out json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.ErrorContext(
				ctx, "tool panicked", "tool", e.Name, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()),
			)
			out, err = nil, tenancy.Public(errors.New("panic"))
		}
	}()
	v, err := e.run(ctx, s, args)
	if err != nil {
		return nil, err
	}
	raw, err := encode(v)
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxAnswer {
		return nil, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "the answer is too large", Hint: "ask for less: a smaller limit, fewer lines",
		}
	}
	return raw, nil
}

// encode writes JSON without escaping for HTML: escaped, a log full of < and & would be
// six times as long.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (r *Registry) logCall(
	ctx context.Context, e *entry, s *tenancy.Scope, req Request, took time.Duration, upstream int, err error,
) {
	level, outcome := slog.LevelInfo, "ok"
	attrs := []slog.Attr{
		slog.String("tool", e.Name), slog.String("workspace", s.Slug()), slog.String("principal", s.Principal()),
		slog.String("client", s.ForLog(errors.New(text(req.Client)))), slog.Int64("dur_ms", took.Milliseconds()),
		slog.Int("upstream_calls", upstream),
	}
	if err != nil {
		p := tenancy.Public(err)
		outcome = string(p.Code)
		attrs = append(attrs, slog.String("err", s.ForLog(p)))
		if p.Code == tenancy.Internal {
			level = slog.LevelError
		}
	}
	r.log.LogAttrs(ctx, level, "call", append(attrs, slog.String("outcome", outcome))...)
}

// decode validates raw arguments and fills in defaults. Models send null for absent
// arguments, so a null at the top level counts as absent.
func (e *entry) decode(raw json.RawMessage) (json.RawMessage, map[string]any, error) {
	values := map[string]any{}
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &values); err != nil {
			return nil, nil, invalid("the arguments are not a JSON object")
		}
	}
	for k, v := range values {
		if v == nil {
			delete(values, k)
		}
	}
	if values == nil { // the arguments were null
		values = map[string]any{}
	}
	if err := e.resolved.ApplyDefaults(&values); err != nil {
		return nil, nil, err
	}
	if err := e.resolved.Validate(values); err != nil {
		return nil, nil, invalid(explain(e.schema, values))
	}
	args, err := json.Marshal(values)
	return args, values, err
}

// digest returns a hash that distinguishes arguments. It ignores spaces, the order of
// names and the notation of numbers, as the tools do.
func digest(values map[string]any) string {
	raw, err := json.Marshal(values) // sorts the names
	if err != nil {                  // the values came from JSON
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// keep returns the arguments that the audit trail may hold.
func (e *entry) keep(values map[string]any) json.RawMessage {
	kept := map[string]any{}
	for _, name := range e.Keep {
		if v, ok := values[name]; ok {
			kept[name] = keepable(v)
		}
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return json.RawMessage("{}")
	}
	return raw
}

// maxKeptName limits each text of the arguments in the audit trail, in bytes: the trail
// keeps entries for long, and the caller chooses the texts.
const maxKeptName = 64

// keepable returns what the audit trail may hold of an argument. It cleans text. Of an
// object it keeps only the names, because the values may be secret.
func keepable(v any) any {
	switch v := v.(type) {
	case string:
		return keptName(v)
	case []any:
		items := make([]any, 0, len(v))
		for _, item := range v {
			items = append(items, keepable(item))
		}
		return items
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, keptName(name))
		}
		slices.Sort(names)
		return names
	}
	return v
}

// keptName cleans a text and then cuts it. Cleaning comes first, because half a
// credential does not look like one.
func keptName(s string) string {
	s = text(s)
	return strings.ToValidUTF8(s[:min(len(s), maxKeptName)], "")
}

func invalid(msg string) error {
	return &tenancy.Error{Code: tenancy.Invalid, Msg: msg, Hint: "the tool's input schema says what it takes"}
}
