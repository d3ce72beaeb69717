package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// A running is one run of the program that has not ended, or has.
type running struct {
	stdout, stderr *output
	stop           func()
	ended          chan struct{}
	status         int // valid once ended is closed
}

func newRunning() *running {
	return &running{stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
}

// begin runs the program in this process, until the test ends or sooner.
func begin(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	r := newRunning()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	go func() {
		r.finish(run(ctx, args, func(name string) string { return env[name] }, strings.NewReader(""), r.stdout, r.stderr))
	}()
	t.Cleanup(func() { r.end() })
	return r
}

// start runs a command in a process of its own. To stop it is what an operator,
// or what runs it for one, does.
func start(cmd *exec.Cmd) (*running, error) {
	r := newRunning()
	cmd.Stdout, cmd.Stderr = r.stdout, r.stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) } // it may have ended
	go func() {
		_ = cmd.Wait() // the status says it
		r.finish(cmd.ProcessState.ExitCode())
	}()
	return r, nil
}

func (r *running) finish(status int) {
	r.status = status
	r.stdout.close()
	r.stderr.close()
	close(r.ended)
}

func (r *running) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// end stops the program and returns its exit status.
func (r *running) end() int {
	r.stop()
	<-r.ended
	return r.status
}

// An output keeps what a program writes, while it writes it.
type output struct {
	mu     sync.Mutex
	more   *sync.Cond
	buf    bytes.Buffer
	closed bool
}

func newOutput() *output {
	o := &output{}
	o.more = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.more.Broadcast()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Broadcast()
}

// until waits for a text, and returns it and its groups.
func (o *output) until(text *regexp.Regexp) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if found := text.FindStringSubmatch(o.buf.String()); found != nil {
			return found, nil
		}
		if o.closed {
			return nil, fmt.Errorf("the program ended and did not say %q:\n%s", text, o.buf.String())
		}
		o.more.Wait()
	}
}

// must runs the program to its end, which has to be a good one, and returns what
// it wrote to its standard output.
func must(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	r := begin(t, env, args...)
	<-r.ended
	if r.status != 0 {
		t.Fatalf("vibn-mcp %s: status %d\n%s", strings.Join(args, " "), r.status, r.stderr)
	}
	return strings.TrimSpace(r.stdout.String())
}

// serveCoolify serves a handler around a simulator, below a path, and returns the
// environment of a program that uses it.
func serveCoolify(sim *coolifytest.Server, h http.Handler) (env map[string]string, stop func()) {
	srv := httptest.NewServer(http.StripPrefix("/coolify", h))
	return map[string]string{
		"COOLIFY_URL":             srv.URL + "/coolify",
		"COOLIFY_API_TOKEN":       sim.Token("read", "write", "deploy"),
		"COOLIFY_SENSITIVE_TOKEN": sim.Token("read", "read:sensitive"),
		"VIBN_SECRETS_KEY":        "a key for tests alone",
	}, srv.Close
}

// direct reaches this machine whatever proxy is set.
var direct = &http.Transport{DisableKeepAlives: true}

// call sends a request as an agent would, and returns the status and the body.
func call(ctx context.Context, key, method, url, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: direct}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
