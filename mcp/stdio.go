package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// lastAnswers is how long the end of input is held back for what is in flight:
// the longest call.
const lastAnswers = callTime + 5*time.Second

// ServeStdio serves the registry's tools to one client, a message a line, with
// the rights that the key has at each request. It returns when the input has
// ended and everything in flight is answered, or when ctx is done.
func ServeStdio(ctx context.Context, r *Registry, guard *tenancy.Guard, key secret.Text, version string, log *slog.Logger, in io.Reader, out io.Writer) error {
	srv := newServer(r, version, quietLogger(log))
	srv.AddReceivingMiddleware(withKey(ctx, guard, key))
	lines := newLineCounter(in, out)
	err := srv.Run(ctx, &sdk.IOTransport{Reader: lines, Writer: lines.writer(), MaxLineLength: MaxBody})
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return err
	}
	return nil
}

// withKey opens the key's Scope for each request anew, so that a revoked key is
// refused at the next one. Requests end when serving does: the SDK lets them go
// on, and waits for them.
func withKey(serving context.Context, guard *tenancy.Guard, key secret.Text) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(serving, cancel)()
			scope, err := guard.OpenKey(ctx, key.Reveal())
			if err == nil {
				err = scope.Admit()
			}
			if err != nil {
				f := FailureOf(err)
				return nil, &jsonrpc.Error{Code: int64(f.Code.HTTPStatus()), Message: f.Message, Data: f.JSON()}
			}
			return next(withScope(ctx, scope), method, req)
		}
	}
}

// A lineCounter hands the SDK its input, and holds two things back, at which the
// SDK would end the session and leave unanswered what is in flight: the end of
// the input, until every request has its answer, and whatever is no message.
type lineCounter struct {
	in   *bufio.Reader
	rest []byte // of a line that was read and not handed on yet

	writing sync.Mutex // a line of output at a time
	out     io.Writer

	mu   sync.Mutex
	open map[jsonrpc.ID]bool // requests without an answer
	idle chan struct{}       // holds a value when open has just become empty
}

func newLineCounter(in io.Reader, out io.Writer) *lineCounter {
	return &lineCounter{in: bufio.NewReader(in), out: out, open: map[jsonrpc.ID]bool{}, idle: make(chan struct{}, 1)}
}

// Read hands on the input, and its end only when nothing is in flight.
func (c *lineCounter) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.next()
		if err != nil {
			c.drain()
			return 0, err
		}
		c.rest = line
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next returns the next line that is a message. Others are answered here.
func (c *lineCounter) next() ([]byte, error) {
	for {
		line, err := readLine(c.in)
		if len(line.text) == 0 && err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line.text)) == 0 {
			continue
		}
		id, refused := c.judge(line)
		if refused == nil {
			return line.text, nil
		}
		c.refuse(id, refused)
	}
}

// judge counts a line's request in, or refuses the line, under an id where it may
// have one.
func (c *lineCounter) judge(line inputLine) (id json.RawMessage, refused *jsonrpc.Error) {
	switch {
	case len(line.text) > MaxBody:
		return line.id, errLongLine
	case !json.Valid(line.text):
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the line is not JSON"}
	case !isExactID(line.id):
		return line.id, errInexactID
	}
	msg, err := jsonrpc.DecodeMessage(line.text)
	if err != nil {
		return line.id, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "the line is not one JSON-RPC message"}
	}
	return c.begin(msg, line.id)
}

// An inputLine is one line of input, of which at most MaxBody+1 bytes are kept, and
// the id of the request in the whole of it.
type inputLine struct {
	text []byte
	id   json.RawMessage
}

// readLine reads one line. Of one that is longer than MaxBody, it keeps one byte
// more than that.
func readLine(in *bufio.Reader) (inputLine, error) {
	var line []byte
	var scan idScanner
	for {
		part, err := in.ReadSlice('\n')
		_, _ = scan.Write(part)
		line = append(line, part[:min(len(part), MaxBody+1-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return inputLine{line, scan.found()}, err
		}
	}
}

var errLongLine = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: fmt.Sprintf("the message is larger than %d bytes", MaxBody)}

// refuse answers a line here; id is nil where there is none that we could name. The
// request was not counted in, so it is not counted out.
func (c *lineCounter) refuse(id json.RawMessage, e *jsonrpc.Error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.out.Write(append(errorMessage(id, e), '\n')) // the client is gone if this fails
}

// drain waits until every request is answered, but not for ever.
func (c *lineCounter) drain() {
	end := time.NewTimer(lastAnswers)
	defer end.Stop()
	for {
		c.mu.Lock()
		left := len(c.open)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-c.idle:
		case <-end.C:
			return
		}
	}
}

// begin counts a request in, or refuses it under an id: the SDK would repeat the
// name of a method that it does not know, and drop a request whose id is in use.
func (c *lineCounter) begin(msg jsonrpc.Message, id json.RawMessage) (json.RawMessage, *jsonrpc.Error) {
	req, ok := msg.(*jsonrpc.Request)
	if !ok || !req.IsCall() {
		return nil, nil
	}
	if !slices.Contains(served, req.Method) {
		return id, errNoMethod
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[req.ID] {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "a request with this id is not answered yet"}
	}
	c.open[req.ID] = true
	return nil, nil
}

// end counts an answered request out.
func (c *lineCounter) end(line []byte) {
	msg, err := jsonrpc.DecodeMessage(line)
	answer, ok := msg.(*jsonrpc.Response)
	if err != nil || !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, answer.ID)
	if len(c.open) == 0 {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
}

// Close ends the input.
func (c *lineCounter) Close() error { return nil }

func (c *lineCounter) writer() io.WriteCloser { return answers{c} }

// answers is the output side of a lineCounter. The SDK writes a message at once.
type answers struct{ *lineCounter }

// Write counts first: whoever has read an answer may use its id again. The SDK
// does not end before the answer is written.
func (a answers) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		a.end(line)
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	return a.out.Write(p)
}
