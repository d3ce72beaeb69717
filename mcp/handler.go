package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// MaxBody is the largest body of a request, or line of input, in bytes.
const MaxBody = 128 << 10

// Handler serves the registry's tools over streamable HTTP, without sessions, to clients
// that send a bearer key. Every refusal is a JSON-RPC error. It does not check Host and
// Origin: the server around it does, for all its routes.
func Handler(r *Registry, guard *tenancy.Guard, version string, log *slog.Logger) http.Handler {
	return handler(newServer(r, version, quietLogger(log)), served, guard, log)
}

// handler serves the given methods of an SDK server.
func handler(srv *sdk.Server, methods []string, guard *tenancy.Guard, log *slog.Logger) http.Handler {
	serve := func(json bool) http.Handler {
		return sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return srv }, &sdk.StreamableHTTPOptions{
			Stateless: true, JSONResponse: json, MaxRequestBodyBytes: MaxBody, Logger: quietLogger(log),
			PropagateRequestCancellation: true, DisableLocalhostProtection: true,
		})
	}
	answer, stream := serve(true), serve(false)
	return Identified(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		scope, err := OpenBearer(guard, req)
		if err != nil {
			Refuse(w, req, err)
			return
		}
		body, err := ReadFrom(scope, w, req)
		if err != nil {
			Refuse(w, req, err)
			return
		}
		leave, err := scope.Enter()
		if err != nil {
			Refuse(w, req, err)
			return
		}
		defer leave()
		id := requestID(req, MaxBody)
		if status, id, e := refusal(req, body, id, methods); e != nil {
			sendError(w, status, id, e)
			return
		}
		req = req.WithContext(withScope(req.Context(), scope))
		req.Body = io.NopCloser(bytes.NewReader(body))
		w = &plain{ResponseWriter: w, id: id}
		if accept(req) && wantsProgress(body) {
			w.Header().Set("X-Accel-Buffering", "no")
			stream.ServeHTTP(w, req)
			return
		}
		answer.ServeHTTP(w, req)
	}))
}

// OpenBearer opens the Scope of a request's bearer key, and counts the request against
// the workspace's rate limit.
func OpenBearer(guard *tenancy.Guard, req *http.Request) (*tenancy.Scope, error) {
	scope, err := guard.OpenKey(req.Context(), Bearer(req))
	if err != nil {
		return nil, err
	}
	return scope, scope.Admit()
}

// Bearer returns the token of the header "Authorization: Bearer …"; "" if the header is
// absent or has another scheme.
func Bearer(req *http.Request) string {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Challenge sets a refusal's headers: WWW-Authenticate and Retry-After. It sends no
// resource_metadata: with it clients would start an OAuth flow, although they only need a
// key.
func Challenge(w http.ResponseWriter, err error) {
	f := FailureOf(err)
	if f.Code == tenancy.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="vibn", error="invalid_token"`)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
}

// Refuse answers with a JSON-RPC error: clients treat any other body as the end of the
// connection. The error's code is the HTTP status, outside the ranges that JSON-RPC and
// MCP reserve. Its id is the request's: without it, clients wait minutes for an answer.
//
// To find the id, Refuse reads on in a body that has not been read yet, and keeps little
// of it. It reads at most [MaxBody] bytes. Of a body that is too large it reads up to
// maxOverrun bytes; only a request with a valid key gets that far.
func Refuse(w http.ResponseWriter, req *http.Request, err error) {
	f, status := FailureOf(err), Status(err)
	most := int64(MaxBody)
	if status == http.StatusRequestEntityTooLarge {
		most = maxOverrun
	}
	id := requestID(req, most)
	Challenge(w, err)
	sendError(w, status, id, &jsonrpc.Error{Code: int64(status), Message: f.Message, Data: f.JSON()})
}

// Status returns the HTTP status of a refusal, for MCP and REST: that of its code, or 413
// for a body that is too large.
func Status(err error) int {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return http.StatusRequestEntityTooLarge
	}
	return FailureOf(err).Code.HTTPStatus()
}

// ReadFrom reads the body of a principal's request, of at most MaxBody bytes. A principal
// sends few bodies at the same time.
func ReadFrom(scope *tenancy.Scope, w http.ResponseWriter, req *http.Request) ([]byte, error) {
	done, err := scope.Read()
	if err != nil {
		return nil, err
	}
	defer done()
	return ReadBody(w, req, MaxBody)
}

// These are how long a body may take: between two pieces, and in all.
const (
	bodyPause = 5 * time.Second
	bodyTime  = 20 * time.Second
)

// ReadBody reads the body of a request, of at most most bytes. A body that does not go on
// for 5 seconds, or takes longer than 20, is refused.
func ReadBody(w http.ResponseWriter, req *http.Request, most int64) ([]byte, error) {
	in := &prompt{http.MaxBytesReader(w, req.Body, most), http.NewResponseController(w), time.Now().Add(bodyTime)}
	body, err := io.ReadAll(in)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("the body is larger than %d bytes", most), Err: err,
		}
	}
	if err != nil {
		return nil, &tenancy.Error{Code: tenancy.Invalid, Msg: "the body could not be read", Err: err}
	}
	_ = in.conn.SetReadDeadline(time.Time{}) // the server reads on, to see whether the client goes
	return body, nil
}

// prompt reads a body that must go on arriving.
type prompt struct {
	io.Reader

	conn *http.ResponseController
	ends time.Time
}

// Read implements [io.Reader].
func (p *prompt) Read(b []byte) (int, error) {
	next := time.Now().Add(bodyPause)
	if next.After(p.ends) {
		next = p.ends
	}
	_ = p.conn.SetReadDeadline(next) // a test recorder has no deadline
	return p.Reader.Read(b)
}

// sendError answers with a JSON-RPC error; a nil id is sent as null.
func sendError(w http.ResponseWriter, status int, id json.RawMessage, e *jsonrpc.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(errorMessage(id, e), '\n')) // it fails only if the client is gone
}

// errorMessage returns a JSON-RPC error with its id as received.
func errorMessage(id json.RawMessage, e *jsonrpc.Error) []byte {
	raw, err := encode(map[string]any{"jsonrpc": "2.0", "id": id, "error": e})
	if err != nil { // an id and an error of this program encode as JSON
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return raw
}

// refusal refuses what the SDK would wrongly accept, or would answer in a way that
// clients do not expect. A body that is not a message has no id.
func refusal(
	req *http.Request, body []byte, id json.RawMessage, methods []string,
) (int, json.RawMessage, *jsonrpc.Error) {
	if req.Method != http.MethodPost {
		return 0, nil, nil // the SDK refuses it
	}
	if !json.Valid(body) { // the SDK would accept the first of several messages
		return http.StatusBadRequest, nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the body is not JSON"}
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) { // one request would hold any number of calls
		return http.StatusBadRequest, nil, &jsonrpc.Error{
			Code: jsonrpc.CodeInvalidRequest, Message: "batches are not supported: send one message at a time",
		}
	}
	if !isExactID(id) {
		return http.StatusBadRequest, id, errInexactID
	}
	var named struct{ Method string }
	if err := json.Unmarshal(body, &named); err == nil && slices.Contains(methods, named.Method) {
		return 0, nil, nil // the SDK checks the rest: its decoder costs 32 KB per use
	}
	call, ok := requestIn(body)
	if !ok || !call.IsCall() || slices.Contains(methods, call.Method) {
		return 0, nil, nil
	}
	status := http.StatusOK
	if req.Header.Get("MCP-Protocol-Version") >= "2026-07-28" {
		status = http.StatusNotFound
	}
	return status, id, errNoMethod
}

var errInexactID = &jsonrpc.Error{
	Code: jsonrpc.CodeInvalidRequest, Message: "the id must be a string or a whole number below 2^53",
}

// requestIn returns the JSON-RPC request in a body.
func requestIn(body []byte) (*jsonrpc.Request, bool) {
	msg, err := jsonrpc.DecodeMessage(body)
	req, ok := msg.(*jsonrpc.Request)
	return req, ok && err == nil
}

// plain converts the SDK's plain-text refusals into JSON-RPC errors, and its other answers
// as [reply] does. The SDK writes each answer and each event with one call.
type plain struct {
	http.ResponseWriter
	id     json.RawMessage // of the request; nil = it has none
	wrote  bool
	status int // of a refusal in plain text; 0 = none
}

// WriteHeader implements [http.ResponseWriter]. For a plain-text refusal it only stores
// the status, until the text is known.
func (w *plain) WriteHeader(status int) {
	w.wrote = true
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.status = status
		return
	}
	w.Header().Set("Cache-Control", "no-store") // the SDK sends no-cache
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *plain) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.status == 0 {
		if _, err := w.ResponseWriter.Write(reply(p, w.id)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	e := &jsonrpc.Error{Code: int64(w.status), Message: text(plainMessage(string(p)))}
	if w.status == http.StatusBadRequest {
		e.Code = jsonrpc.CodeInvalidRequest
	}
	sendError(w.ResponseWriter, w.status, w.id, e)
	return len(p), nil
}

// Unwrap lets the SDK flush an event stream.
func (w *plain) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// accept adds both media types for a client that accepts JSON: the SDK requires both, and
// a person's curl sends one or none. It reports whether the client itself accepts an
// event stream.
func accept(req *http.Request) (streams bool) {
	a := req.Header.Get("Accept")
	streams = strings.Contains(a, "text/event-stream")
	if a == "" || strings.Contains(a, "application/json") || strings.Contains(a, "*/*") {
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	return streams
}

// wantsProgress reports whether a call asks for progress. Only progress needs an event
// stream.
func wantsProgress(body []byte) bool {
	if !bytes.Contains(body, []byte(`"progressToken"`)) {
		return false
	}
	var msg struct {
		Params struct {
			Meta struct {
				ProgressToken json.RawMessage `json:"progressToken"`
			} `json:"_meta"`
		} `json:"params"`
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		return false
	}
	token := string(msg.Params.Meta.ProgressToken)
	return token != "" && token != "null"
}

// quietLogger drops the SDK's log lines below warnings: it writes three for every call.
func quietLogger(log *slog.Logger) *slog.Logger {
	return slog.New(atLeastWarn{log.Handler()})
}

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

func (h atLeastWarn) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(a)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}
