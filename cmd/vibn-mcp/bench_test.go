package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// benchRole names, for a process of its own, the server that it is.
const benchRole = "VIBN_BENCH_ROLE"

// TestBenchServer is a server in a process of its own, for TestPerformance: it
// prints its address, and serves until its input ends.
func TestBenchServer(t *testing.T) {
	switch os.Getenv(benchRole) {
	case "":
		t.Skip("only TestPerformance starts this, in a process of its own")
	case "bare":
		fmt.Printf("\nserving %s\n", bareServer(t))
	default:
		debug.SetGCPercent(gcPercent) // as main does
		w := &world{env: map[string]string{}}
		for _, v := range variables() {
			w.env[v.name] = os.Getenv(v.name)
		}
		w.serve(t, slog.New(slog.NewJSONHandler(os.Stderr, nil))) // as serve logs
		fmt.Printf("\nserving %s/mcp\n", w.url)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// bareServer is the SDK with one tool that does nothing, on its default settings
// but for what the protocol's newest version asks: no sessions.
func bareServer(t *testing.T) string {
	srv := sdk.NewServer(&sdk.Implementation{Name: "bare", Version: "1"}, nil)
	sdk.AddTool(srv, &sdk.Tool{Name: "workspace_describe", Description: "does nothing"},
		func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, struct{}, error) {
			return nil, struct{}{}, nil
		})
	h := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return srv }, &sdk.StreamableHTTPOptions{Stateless: true}))
	t.Cleanup(h.Close)
	return h.URL
}

// A subject is a server under measurement.
type subject struct {
	name, url, key string
	pid            int
	client         *http.Client
}

// startSubject starts a server: the bare one without a world.
func startSubject(t *testing.T, name string, w *world) *subject {
	t.Helper()
	return startBinary(t, os.Args[0], name, w)
}

// startBinary starts a server that the tests of some commit hold, compiled.
func startBinary(t *testing.T, tests, name string, w *world) *subject {
	t.Helper()
	s := &subject{name: name, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	cmd := exec.CommandContext(t.Context(), tests, "-test.run=^TestBenchServer$", "-test.timeout=1h")
	cmd.Env = append(os.Environ(), benchRole+"="+name)
	if w != nil {
		s.key = w.keys["owner"]
		cmd.Env = append(cmd.Env, listed(w.env)...)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	s.pid = cmd.Process.Pid
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			s.url = url
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return s
		}
	}
	t.Fatalf("%s did not start", name)
	return nil
}

// listed returns variables as a process takes them.
func listed(env map[string]string) []string {
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// A load is a request that is sent again and again.
type load struct{ method, tool string }

var (
	callTool  = load{"tools/call", "workspace_describe"}
	listTools = load{"tools/list", ""}
)

func (l load) body() string {
	params := ""
	if l.tool != "" {
		params = `"name":"` + l.tool + `","arguments":{},`
	}
	return `{"jsonrpc":"2.0","id":1,"method":"` + l.method + `","params":{` + params + `"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
}

// do sends one request and returns the size of the answer.
func (s *subject) do(ctx context.Context, l load) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(l.body()))
	if err != nil {
		return 0, err
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer " + s.key,
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": l.method, "Mcp-Name": l.tool,
	} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(raw, []byte(`"result"`)) || bytes.Contains(raw, []byte(`"isError":true`))) {
		err = fmt.Errorf("%s: %d %s", s.name, resp.StatusCode, raw)
	}
	return len(raw), err
}

// A figure is what one round measured.
type figure struct {
	perSecond     float64
	p50, p99, cpu time.Duration // cpu is the server's for one request
}

// send sends n requests from c clients at once.
func (s *subject) send(t *testing.T, l load, n, c int) figure {
	t.Helper()
	took := make([]time.Duration, n)
	cpu, began := cpuTime(t, s.pid), time.Now()
	var wg sync.WaitGroup
	for client := range c {
		wg.Go(func() {
			for i := client; i < n; i += c {
				at := time.Now()
				if _, err := s.do(t.Context(), l); err != nil {
					t.Error(err)
					return
				}
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	all, used := time.Since(began), cpuTime(t, s.pid)-cpu
	slices.Sort(took)
	return figure{float64(n) / all.Seconds(), took[n/2], took[n*99/100], used / time.Duration(n)}
}

// cpuTime reads what a process has used, from the kernel, in ticks of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory reads what a process has resident, in MB.
func memory(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(raw))[1])
	return float64(pages*os.Getpagesize()) / 1e6
}

// median is the middle one of what rounds measured.
func median[T float64 | time.Duration](rounds []figure, of func(figure) T) T {
	var all []T
	for _, r := range rounds {
		all = append(all, of(r))
	}
	return middle(all)
}

func middle[T float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
