package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// MaxBody is the largest body of a request, in bytes, through any door.
const MaxBody = 1 << 20

// Handler serves the registry's tools over streamable HTTP, without sessions,
// to whoever sends a bearer key. Every refusal is a JSON-RPC error. It does not
// look at Host and Origin: the server around it does, for all its routes.
func Handler(r *Registry, guard *tenancy.Guard, version string, log *slog.Logger) http.Handler {
	srv := newServer(r, version, quiet(log))
	serve := func(json bool) http.Handler {
		return sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return srv }, &sdk.StreamableHTTPOptions{
			Stateless: true, JSONResponse: json, MaxRequestBodyBytes: MaxBody, Logger: quiet(log),
			PropagateRequestCancellation: true, DisableLocalhostProtection: true,
		})
	}
	answer, stream := serve(true), serve(false)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		scope, err := OpenBearer(guard, req)
		if err != nil {
			Refuse(w, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxBody))
		if err != nil {
			refuseBody(w, err)
			return
		}
		req = req.WithContext(withScope(req.Context(), scope))
		req.Body = io.NopCloser(bytes.NewReader(body))
		if accept(req) && wantsProgress(body) {
			w.Header().Set("X-Accel-Buffering", "no")
			stream.ServeHTTP(w, req)
			return
		}
		answer.ServeHTTP(w, req)
	})
}

// OpenBearer opens the Scope of a request's bearer key, and counts the request
// against what a workspace may ask of us.
func OpenBearer(guard *tenancy.Guard, req *http.Request) (*tenancy.Scope, error) {
	scheme, key, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		key = ""
	}
	scope, err := guard.OpenKey(req.Context(), strings.TrimSpace(key))
	if err != nil {
		return nil, err
	}
	return scope, scope.Admit()
}

// Challenge sets the headers that belong to a refusal: WWW-Authenticate and
// Retry-After. There is no resource_metadata: with it clients would begin an
// OAuth dance, although a key is all they need.
func Challenge(w http.ResponseWriter, err error) {
	f := FailureOf(err)
	if f.Code == tenancy.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="vibn", error="invalid_token"`)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
}

// Refuse answers with a JSON-RPC error: clients take any other body for the end
// of the connection. The code is the HTTP status, outside of what JSON-RPC and
// MCP keep for themselves.
func Refuse(w http.ResponseWriter, err error) {
	refuse(w, FailureOf(err).Code.HTTPStatus(), err)
}

func refuse(w http.ResponseWriter, status int, err error) {
	f := FailureOf(err)
	Challenge(w, err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone if this fails
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": status, "message": f.Message, "data": f},
	})
}

func refuseBody(w http.ResponseWriter, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(w, http.StatusRequestEntityTooLarge, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "the request is larger than " + strconv.Itoa(MaxBody) + " bytes",
		})
		return
	}
	refuse(w, http.StatusBadRequest, &tenancy.Error{Code: tenancy.Invalid, Msg: "the request's body could not be read", Err: err})
}

// accept names both media types for a client that takes JSON: the SDK insists
// on both, and people's curl names one or none. It reports whether the client
// itself takes an event stream.
func accept(req *http.Request) (streams bool) {
	a := req.Header.Get("Accept")
	streams = strings.Contains(a, "text/event-stream")
	if a == "" || strings.Contains(a, "application/json") || strings.Contains(a, "*/*") {
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	return streams
}

// wantsProgress reports whether a call asks for progress, the only thing that an
// event stream is needed for.
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
	return json.Unmarshal(body, &msg) == nil && len(msg.Params.Meta.ProgressToken) > 0
}

// quiet drops what the SDK says of each request: three lines for every call.
func quiet(log *slog.Logger) *slog.Logger {
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
