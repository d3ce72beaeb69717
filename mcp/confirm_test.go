package mcp_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// An asking is a house with a database that somebody wants to delete.
type asking struct {
	*tenancytest.House
	url      string // of MCP
	owner    string // a key
	database coolifytest.Database

	mu  sync.Mutex
	now time.Time
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	a := &asking{now: time.Now()}
	a.House = tenancytest.New(t, tenancytest.Config{Now: func() time.Time {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.now
	}})
	a.url = remote(t, a.House).URL + "/mcp"
	a.owner, _ = a.AddKey(t, a.A, "owner", 0)
	a.database = a.Sim.AddDatabase(a.A.Project.Environments[0].UUID, coolifytest.Database{Name: "shop-data"})
	return a
}

func (a *asking) forward(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

// deleting reports whether somebody has got the database deleted.
func (a *asking) deleting() bool {
	return slices.ContainsFunc(a.Sim.Databases(), func(d coolifytest.Database) bool { return d.UUID == a.database.UUID && d.Deleting })
}

// A person answers what the client asks them. Between question and answer the
// client may do something.
type person struct {
	action string
	name   string
	asked  []string
	during func()
}

func (p *person) answer(_ context.Context, req *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
	p.asked = append(p.asked, req.Params.Message)
	if p.during != nil {
		p.during()
	}
	if p.action != "accept" {
		return &sdk.ElicitResult{Action: p.action}, nil
	}
	return &sdk.ElicitResult{Action: p.action, Content: map[string]any{"confirm": p.name}}, nil
}

func (p *person) client() *sdk.Client {
	return sdk.NewClient(&sdk.Implementation{Name: "asks", Version: "1"}, &sdk.ClientOptions{ElicitationHandler: p.answer})
}

// withKey sends a key with each request.
type withKey string

func (k withKey) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(req)
}

// ways are the doors through which a client reaches the tools.
func (a *asking) ways() map[string]func(t *testing.T, c *sdk.Client) *sdk.ClientSession {
	connect := func(t *testing.T, c *sdk.Client, over sdk.Transport) *sdk.ClientSession {
		t.Helper()
		session, err := c.Connect(t.Context(), over, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Close() })
		return session
	}
	piped := func(t *testing.T, c *sdk.Client, serve func(context.Context, io.Reader, io.Writer)) *sdk.ClientSession {
		t.Helper()
		inRead, inWrite := io.Pipe()
		outRead, outWrite := io.Pipe()
		go serve(context.WithoutCancel(t.Context()), inRead, outWrite)
		t.Cleanup(func() { _ = inWrite.Close() })
		return connect(t, c, &sdk.IOTransport{Reader: outRead, Writer: inWrite})
	}
	return map[string]func(t *testing.T, c *sdk.Client) *sdk.ClientSession{
		"HTTP": func(t *testing.T, c *sdk.Client) *sdk.ClientSession {
			return connect(t, c, &sdk.StreamableClientTransport{Endpoint: a.url, HTTPClient: &http.Client{Transport: withKey(a.owner)}})
		},
		"stdio": func(t *testing.T, c *sdk.Client) *sdk.ClientSession {
			return piped(t, c, func(ctx context.Context, in io.Reader, out io.Writer) {
				_ = mcp.ServeStdio(ctx, mcp.New(a.Logger), a.Guard, secret.NewText(a.owner), "test", a.Logger, in, out)
			})
		},
		"bridge": func(t *testing.T, c *sdk.Client) *sdk.ClientSession {
			b := newBridge(t, strings.TrimSuffix(a.url, "/mcp"), a.owner)
			return piped(t, c, func(ctx context.Context, in io.Reader, out io.Writer) { _ = b.Run(ctx, in, out) })
		},
	}
}

// failureOf returns what a tool's answer says went wrong; zero if nothing did.
func failureOf(t *testing.T, res *sdk.CallToolResult) (f mcp.Failure) {
	t.Helper()
	text := res.Content[0].(*sdk.TextContent).Text
	if !res.IsError {
		return f
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// TestAskPerson: a client that can ask a person does, and what they say counts,
// through every door.
func TestAskPerson(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		person person
		args   map[string]any
		code   tenancy.Code
		goes   bool
	}{
		{name: "right name", person: person{action: "accept", name: "shop-data"}, goes: true},
		{name: "wrong name", person: person{action: "accept", name: "shop-date"}, code: tenancy.Conflict},
		{name: "no name", person: person{action: "accept"}, code: tenancy.Conflict},
		{name: "decline", person: person{action: "decline"}, code: tenancy.Forbidden},
		{name: "cancel", person: person{action: "cancel"}, code: tenancy.Forbidden},
		{name: "the model confirms, and the person does not", person: person{action: "decline"}, args: map[string]any{"confirm": "shop-data"}, code: tenancy.Forbidden},
	} {
		for _, door := range []string{"HTTP", "stdio", "bridge"} {
			t.Run(tc.name+" over "+door, func(t *testing.T) {
				t.Parallel()
				a, p := newAsking(t), tc.person
				session := a.ways()[door](t, p.client())
				args := map[string]any{"database": a.database.UUID}
				maps.Copy(args, tc.args)
				res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "databases_delete", Arguments: args})
				if err != nil {
					t.Fatal(err)
				}
				if f := failureOf(t, res); f.Code != tc.code || a.deleting() != tc.goes {
					t.Errorf("%+v, deleting %v", f, a.deleting())
				}
				if len(p.asked) != 1 || !strings.Contains(p.asked[0], "shop-data") || !strings.Contains(p.asked[0], "all data in it") {
					t.Errorf("the person was asked %q", p.asked)
				}
				a.Fine(t)
			})
		}
	}
}

// TestAskNobody: a client that cannot ask is told to call again with confirm.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"HTTP", "stdio", "bridge"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			a := newAsking(t)
			session := a.ways()[door](t, sdk.NewClient(&sdk.Implementation{Name: "asks-nobody", Version: "1"}, nil))
			call := func(confirm string) mcp.Failure {
				res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "databases_delete", Arguments: map[string]any{"database": "shop-data", "confirm": confirm}})
				if err != nil {
					t.Fatal(err)
				}
				return failureOf(t, res)
			}
			for _, word := range []string{"", "yes", "Shop-data"} {
				f := call(word)
				if f.Code != tenancy.Conflict || !strings.Contains(f.Hint, `confirm set to "shop-data"`) || !strings.Contains(f.Message, "all data in it") || a.deleting() {
					t.Errorf("confirm %q: %+v, deleting %v", word, f, a.deleting())
				}
			}
			if f := call("shop-data"); f.Code != "" || !a.deleting() {
				t.Errorf("confirmed: %+v, deleting %v", f, a.deleting())
			}
		})
	}
}

const canAsk = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}`

// raw asks by hand to delete a database, and returns the result.
func (a *asking) raw(t *testing.T, key, args, more string) (result struct {
	Type          string `json:"resultType"`
	State         string `json:"requestState"`
	InputRequests map[string]struct {
		Method string
		Params struct {
			Mode            string
			RequestedSchema json.RawMessage
		}
	}
	IsError bool
	Content []struct{ Text string }
},
) {
	t.Helper()
	if more != "" {
		more = "," + more
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"databases_delete","arguments":` + args + `,` + canAsk + more + `}}`
	req := httptest.NewRequestWithContext(t.Context(), "POST", a.url, strings.NewReader(body))
	req.RequestURI = ""
	for name, value := range map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "databases_delete",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := struct{ Result any }{&result}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%d %s: %v", resp.StatusCode, raw, err)
	}
	return result
}

// TestAskForged: an answer counts for the call that the question was about, of the
// same key, for ten minutes.
func TestAskForged(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	other, _ := a.AddKey(t, a.A, "owner", 0)
	b, _ := a.AddKey(t, a.B, "owner", 0)
	twin := a.Sim.AddDatabase(a.A.Project.Environments[0].UUID, coolifytest.Database{Name: "shop-data"})
	args := `{"database":"` + a.database.UUID + `"}`
	asked := a.raw(t, a.owner, args, "")
	if q := asked.InputRequests["confirm"]; asked.Type != "input_required" || len(asked.InputRequests) != 1 || q.Method != "elicitation/create" ||
		q.Params.Mode != "form" || strings.Count(string(q.Params.RequestedSchema), `"type":"string"`) != 1 {
		t.Fatalf("asked %+v", asked)
	}
	if strings.Contains(asked.State, "shop") {
		t.Errorf("the state can be read: %s", asked.State)
	}
	cursor, err := a.Open(t, a.owner, tenancy.Danger).SealCursor("databases.delete", map[string]any{"n": "shop-data", "e": time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	yes := func(state string) string {
		return `"requestState":"` + state + `","inputResponses":{"confirm":{"action":"accept","content":{"confirm":"shop-data"}}}`
	}
	for name, tc := range map[string]struct{ key, args, more string }{
		"no state":               {a.owner, args, `"inputResponses":{"confirm":{"action":"accept","content":{"confirm":"shop-data"}}}`},
		"state without answer":   {a.owner, args, `"requestState":"` + asked.State + `"`},
		"answer to another":      {a.owner, args, `"requestState":"` + asked.State + `","inputResponses":{"other":{"action":"accept","content":{"confirm":"shop-data"}}}`},
		"name is no text":        {a.owner, args, `"requestState":"` + asked.State + `","inputResponses":{"confirm":{"action":"accept","content":{"confirm":true}}}`},
		"tampered":               {a.owner, args, yes(asked.State[:len(asked.State)-4] + "AAAA")},
		"a cursor of the tool":   {a.owner, args, yes(cursor)},
		"another key":            {other, args, yes(asked.State)},
		"another workspace":      {b, args, yes(asked.State)},
		"other arguments":        {a.owner, `{"database":"` + twin.UUID + `"}`, yes(asked.State)},
		"the same, named anew":   {a.owner, `{"database":"shop-data"}`, yes(asked.State)},
		"confirmed by the model": {a.owner, `{"database":"` + twin.UUID + `","confirm":"shop-data"}`, yes(asked.State)},
	} {
		got := a.raw(t, tc.key, tc.args, tc.more)
		if !got.IsError || !strings.Contains(got.Content[0].Text, "nothing was changed") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	a.forward(10 * time.Minute)
	if late := a.raw(t, a.owner, args, yes(asked.State)); !late.IsError || !strings.Contains(late.Content[0].Text, "too late") {
		t.Errorf("late: %+v", late)
	}
	for _, d := range a.Sim.Databases() {
		if d.Deleting {
			t.Errorf("%s is deleted", d.UUID)
		}
	}
	asked = a.raw(t, a.owner, args, "")
	a.forward(10*time.Minute - time.Second)
	if got := a.raw(t, a.owner, `{"confirm":null,`+args[1:], yes(asked.State)); got.IsError || !a.deleting() {
		t.Errorf("just in time: %+v", got)
	}
	a.Fine(t)
}

// TestAskSwapped: what goes is what the person was asked about, whatever bears its
// name when they have answered.
func TestAskSwapped(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	p := person{action: "accept", name: "shop-data"}
	var swapped coolifytest.Database
	p.during = func() {
		a.Sim.SetDatabase(a.database.UUID, func(d *coolifytest.Database) { d.Name = "old" })
		swapped = a.Sim.AddDatabase(a.A.Project.Environments[0].UUID, coolifytest.Database{Name: "shop-data"})
	}
	session := a.ways()["HTTP"](t, p.client())
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "databases_delete", Arguments: map[string]any{"database": "shop-data"}})
	if err != nil || failureOf(t, res).Code != tenancy.Conflict || a.deleting() || len(p.asked) != 1 {
		t.Errorf("renamed: %+v, %v", res, err)
	}
	a.Sim.SetDatabase(swapped.UUID, func(d *coolifytest.Database) { d.Name = "other" })
	a.Sim.SetDatabase(a.database.UUID, func(d *coolifytest.Database) { d.Name = "shop-data" })
	p.during = func() { a.Sim.SetDatabase(swapped.UUID, func(d *coolifytest.Database) { d.Name = "shop-data" }) }
	res, err = session.CallTool(t.Context(), &sdk.CallToolParams{Name: "databases_delete", Arguments: map[string]any{"database": "shop-data"}})
	if err != nil || res.IsError || !a.deleting() {
		t.Errorf("a second of that name: %+v, %v", res, err)
	}
	for _, d := range a.Sim.Databases() {
		if d.UUID == swapped.UUID && d.Deleting {
			t.Error("the other one goes")
		}
	}
}

// TestAskRevoked: what a person says does not bring back a right.
func TestAskRevoked(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	p := person{action: "accept", name: "shop-data"}
	key, id := a.AddKey(t, a.A, "owner", 0)
	a.owner = key
	p.during = func() {
		if err := a.Operator.RevokeKey(t.Context(), a.A.Workspace, id); err != nil {
			t.Error(err)
		}
	}
	session := a.ways()["HTTP"](t, p.client())
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "databases_delete", Arguments: map[string]any{"database": "shop-data"}})
	if err == nil || len(p.asked) != 1 || a.deleting() {
		t.Errorf("%+v, %v; asked %d times, deleting %v", res, err, len(p.asked), a.deleting())
	}
}

// TestAskAllowed: who may not do it is told so, and nobody is asked.
func TestAskAllowed(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	for what, tc := range map[string]struct{ key, args, code string }{
		"a builder":  {a.A.Key, `{"database":"shop-data"}`, "forbidden"},
		"B's owner":  {func() string { k, _ := a.AddKey(t, a.B, "owner", 0); return k }(), `{"database":"` + a.database.UUID + `"}`, "not_found"},
		"no such":    {a.owner, `{"database":"other"}`, "not_found"},
		"unfinished": {a.owner, `{}`, "invalid"},
	} {
		if got := a.raw(t, tc.key, tc.args, ""); !got.IsError || !strings.Contains(got.Content[0].Text, `"`+tc.code+`"`) {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// TestAskedFirstIsSaidWhereItIsTrue: only a client that passes questions on is told that
// a person is asked.
func TestAskedFirstIsSaidWhereItIsTrue(t *testing.T) {
	a := newAsking(t)
	silent := sdk.NewClient(&sdk.Implementation{Name: "silent", Version: "1"}, nil)
	for way, connect := range a.ways() {
		for name, client := range map[string]*sdk.Client{"asks": (&person{}).client(), "silent": silent} {
			tools, err := connect(t, client).ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, tool := range tools.Tools {
				if strings.Contains(tool.Description, "person is asked") {
					said = append(said, tool.Name)
				}
			}
			want := []string{"apps_delete", "databases_delete"}
			if name == "silent" {
				want = nil
			}
			slices.Sort(said)
			if !slices.Equal(said, want) {
				t.Errorf("%s, a client that %s: a person is asked, says %v; want %v", way, name, said, want)
			}
		}
	}
}
