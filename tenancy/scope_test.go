package tenancy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// makers lists, for each type that opens something, every function that returns
// one. A new one is a new way in: it belongs here only if it proves who asks, or is
// called by what has proved it.
var makers = map[string][]string{
	"Scope": {
		"Guard.OpenKey",    // proves a bearer key
		"Guard.OpenMember", // proves a membership
		"Guard.open",       // the one that they use
		"Guard.openHook",   // for pushes: proves that the workspace is open; called by Pusher only
		"Pusher.open",      // narrows that to reading
		"Scope.Begin",      // narrows one that was proved
		"newScope",         // called by open and Begin only
	},
	"Operator": {
		"Guard.OpenOperator", // proves the operator's token
		"NewOperator",        // for who runs the program on the server
	},
	"Pusher": {
		"Guard.Pusher", // for jobs: cmd calls it, no door does
	},
}

// TestMakers compares the list with the code.
func TestMakers(t *testing.T) {
	files := sources(t)
	for kind, want := range makers {
		var got []string
		for name, file := range files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if returns(f, kind) {
					got = append(got, funcName(f))
				}
				if makes(f, kind) && !slices.Contains(want, funcName(f)) {
					t.Errorf("%s: %s makes a %s by itself", name, funcName(f), kind)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("functions that return a %s (-want +got)\n%s", kind, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"Guard.open": 1, "Scope.Begin": 1}, callers(files, "newScope")); diff != "" {
		t.Errorf("callers of newScope (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"Pusher.open": 1, "pushLook.start": 1}, methodCallers(files, "openHook")); diff != "" {
		t.Errorf("callers of openHook (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"Guard.OpenOperator": 1}, callers(files, "NewOperator")); diff != "" {
		t.Errorf("callers of NewOperator in this package (-want +got)\n%s", diff)
	}
}

// makes reports whether a function has a literal of the type.
func makes(f *ast.FuncDecl, kind string) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		c, ok := n.(*ast.CompositeLit)
		found = found || ok && isIdent(c.Type, kind)
		return true
	})
	return found
}

// callers counts, for each function, its calls of another.
func callers(files map[string]*ast.File, callee string) map[string]int {
	return callersOf(files, func(f ast.Expr) bool { return isIdent(f, callee) })
}

// methodCallers is callers for a method, of whatever type.
func methodCallers(files map[string]*ast.File, callee string) map[string]int {
	return callersOf(files, func(f ast.Expr) bool {
		s, ok := f.(*ast.SelectorExpr)
		return ok && s.Sel.Name == callee
	})
}

func callersOf(files map[string]*ast.File, is func(ast.Expr) bool) map[string]int {
	calls := map[string]int{}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && is(c.Fun) {
					calls[funcName(f)]++
				}
				return true
			})
		}
	}
	return calls
}

// TestNoDoorProvisions: what faces agents calls nothing that returns a Provisioner
// or a Pusher, nor makes an Operator that proved nothing.
func TestNoDoorProvisions(t *testing.T) {
	for _, dir := range []string{"../mcp", "../sidecar"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			raw, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{".Provisioner(", ".Pusher(", "NewOperator("} {
				if strings.Contains(string(raw), name) {
					t.Errorf("%s/%s has %s", dir, e.Name(), name)
				}
			}
		}
	}
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = f
	}
	return files
}

func returns(f *ast.FuncDecl, kind string) bool {
	if f.Type.Results == nil {
		return false
	}
	return slices.ContainsFunc(f.Type.Results.List, func(r *ast.Field) bool {
		star, ok := r.Type.(*ast.StarExpr)
		return isIdent(r.Type, kind) || (ok && isIdent(star.X, kind))
	})
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	recv := f.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// TestZeroScope holds a Scope that nobody made: it reaches nothing.
func TestZeroScope(t *testing.T) {
	var s tenancy.Scope
	ctx := t.Context()
	for name, reach := range map[string]func() error{
		"App":            func() error { _, err := s.App(ctx, "web"); return err },
		"Apps":           func() error { _, err := s.Apps(ctx, ""); return err },
		"Deployment":     func() error { _, err := s.Deployment(ctx, strings.Repeat("a", 24)); return err },
		"Wait":           func() error { _, err := s.Wait(ctx, strings.Repeat("a", 24), 0); return err },
		"Verdict":        func() error { _, err := s.Verdict(ctx, strings.Repeat("a", 40), "", 0); return err },
		"Projects":       func() error { _, err := s.Projects(ctx); return err },
		"Project":        func() error { _, err := s.Project(ctx, "a/b"); return err },
		"GitCredentials": func() error { _, err := s.GitCredentials(ctx, true); return err },
		"CreateProject":  func() error { _, _, err := s.CreateProject(ctx, "a", ""); return err },
		"Repository":     func() error { _, err := s.Repository(ctx, "a"); return err },
		"Provision":      func() error { _, err := s.Provision(ctx); return err },
		"Describe":       func() error { _, err := s.Describe(ctx); return err },
		"Activity":       func() error { _, err := s.Activity(ctx, tenancy.AuditQuery{Limit: 1}); return err },
		"Begin":          func() error { _, err := s.Begin(ctx, tenancy.Call{Needs: tenancy.Read}); return err },
		"Admit":          func() error { return s.Admit() },
		"CheckClaim":     func() error { return s.CheckClaim("") },
		"Brief":          func() error { _, err := s.Brief(ctx); return err },
		"Keys":           func() error { _, err := s.Keys(ctx); return err },
		"MintKey": func() error {
			_, _, err := s.MintKey(ctx, tenancy.MintKey{Name: "a", Rights: tenancy.Read, Days: 1})
			return err
		},
		"RevokeKey":      func() error { return s.RevokeKey(ctx, "a") },
		"Members":        func() error { _, err := s.Members(ctx); return err },
		"Invites":        func() error { _, err := s.Invites(ctx); return err },
		"Invite":         func() error { _, _, err := s.Invite(ctx, tenancy.RoleMember); return err },
		"WithdrawInvite": func() error { return s.WithdrawInvite(ctx, "a") },
		"SetRole":        func() error { return s.SetRole(ctx, "a", tenancy.RoleMember) },
		"RemoveMember":   func() error { return s.RemoveMember(ctx, "a") },
		"Parts":          func() error { _, err := s.Parts(ctx); return err },
		"Trail":          func() error { _, err := s.Trail(ctx, tenancy.AuditQuery{Limit: 1}); return err },
		"Actors":         func() error { _, err := s.Actors(ctx); return err },
	} {
		if err := reach(); err == nil {
			t.Errorf("the zero Scope's %s did not refuse", name)
		}
	}
}
