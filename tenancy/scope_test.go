package tenancy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
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
		"Outside.OpenHook", // for pushes: proves that the workspace is open
		"Scope.Begin",      // narrows one that was proved
		"hosting.App.Open", // of an app's handle; takes a pass
		"newScope",         // called by open and Begin only
		"push.Pusher.open", // narrows that of OpenHook to reading
		"verdict.scopeOf",  // hosting.App.Open
	},
	"Inside": {
		"Inside.Again", // proves the principal anew
		"Open",         // takes a pass
		"hosting.inside", "people.inside", "push.inside", "repository.inside", "verdict.inside",
	},
	"Outside": {
		"OpenGuard", // takes a pass
		"people.outside", "push.outside",
	},
	"Operator": {
		"people.NewOperator",  // for who runs the program on the server
		"people.OpenOperator", // proves the operator's token
	},
	"Pusher": {
		"push.New", // for jobs: cmd calls it, no door does
	},
}

// rooms are the packages that act for a workspace, beside the kernel.
var rooms = []string{"hosting", "people", "push", "repository", "verdict"}

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
				full := fullName(name, f)
				if returns(f, kind) {
					got = append(got, full)
				}
				// the kernel's own code is inside
				if makes(f, kind) && kind != "Inside" && !slices.Contains(want, full) {
					t.Errorf("%s makes a %s by itself", full, kind)
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
	if diff := cmp.Diff(map[string]int{"push.Pusher.open": 1, "push.pushLook.start": 1}, methodCallers(files, "OpenHook")); diff != "" {
		t.Errorf("callers of OpenHook (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"people.OpenOperator": 1}, callers(files, "NewOperator")); diff != "" {
		t.Errorf("callers of NewOperator in the rooms (-want +got)\n%s", diff)
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
	for name, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && is(c.Fun) {
					calls[fullName(name, f)]++
				}
				return true
			})
		}
	}
	return calls
}

// TestNoDoorProvisions: what faces agents makes no Pusher, nor an Operator that proved
// nothing, and has no pass.
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
			for _, name := range []string{"push.New(", "NewOperator(", "room."} {
				if strings.Contains(string(raw), name) {
					t.Errorf("%s/%s has %s", dir, e.Name(), name)
				}
			}
		}
	}
}

// sources reads the files of the kernel and of the rooms, by their path.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	for _, dir := range append([]string{"."}, rooms...) {
		if dir != "." {
			dir = "../" + dir
		}
		paths, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files[path] = f
		}
	}
	return files
}

// fullName is the name of a function, with its package unless that is the kernel.
func fullName(path string, f *ast.FuncDecl) string {
	if dir := filepath.Base(filepath.Dir(path)); dir != "." {
		return dir + "." + funcName(f)
	}
	return funcName(f)
}

func returns(f *ast.FuncDecl, kind string) bool {
	if f.Type.Results == nil {
		return false
	}
	return slices.ContainsFunc(f.Type.Results.List, func(r *ast.Field) bool {
		of := r.Type
		if star, ok := of.(*ast.StarExpr); ok {
			of = star.X
		}
		if sel, ok := of.(*ast.SelectorExpr); ok {
			return isIdent(sel.X, "tenancy") && sel.Sel.Name == kind
		}
		return isIdent(of, kind)
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
	s := &tenancy.Scope{}
	ctx := t.Context()
	for name, reach := range map[string]func() error{
		"App":            func() error { _, err := hosting.FindApp(ctx, s, "web"); return err },
		"Apps":           func() error { _, _, err := hosting.Apps(ctx, s, ""); return err },
		"Deployment":     func() error { _, err := hosting.FindDeployment(ctx, s, strings.Repeat("a", 24)); return err },
		"Wait":           func() error { _, err := hosting.Wait(ctx, s, strings.Repeat("a", 24), 0); return err },
		"Verdict":        func() error { _, err := verdict.Await(ctx, s, strings.Repeat("a", 40), "", 0); return err },
		"Projects":       func() error { _, err := repository.Projects(ctx, s); return err },
		"Project":        func() error { _, err := repository.Project(ctx, s, "a/b"); return err },
		"GitCredentials": func() error { _, err := repository.Credentials(ctx, s, true); return err },
		"CreateProject":  func() error { _, _, err := repository.CreateProject(ctx, s, "a", ""); return err },
		"Repository":     func() error { _, err := repository.Repository(ctx, s, "a"); return err },
		"Provision":      func() error { _, err := people.RequestProvision(ctx, s); return err },
		"Describe":       func() error { _, err := hosting.Describe(ctx, s); return err },
		"Activity":       func() error { _, err := people.Activity(ctx, s, tenancy.AuditQuery{Limit: 1}); return err },
		"Begin":          func() error { _, err := s.Begin(ctx, tenancy.Call{Needs: tenancy.Read}); return err },
		"Admit":          func() error { return s.Admit() },
		"CheckClaim":     func() error { return s.CheckClaim("") },
		"Brief":          func() error { _, err := hosting.BriefOf(ctx, s); return err },
		"Keys":           func() error { _, err := people.Keys(ctx, s, people.KeyQuery{}); return err },
		"MintKey": func() error {
			_, _, err := people.Mint(ctx, s, people.MintKey{Name: "a", Rights: tenancy.Read, Days: 1})
			return err
		},
		"RevokeKey":      func() error { return people.RevokeKey(ctx, s, "a") },
		"Members":        func() error { _, err := people.Members(ctx, s); return err },
		"Invites":        func() error { _, err := people.Invites(ctx, s); return err },
		"Invite":         func() error { _, _, err := people.Invite(ctx, s, tenancy.RoleMember); return err },
		"WithdrawInvite": func() error { return people.WithdrawInvite(ctx, s, "a") },
		"SetRole":        func() error { return people.SetRole(ctx, s, "a", tenancy.RoleMember) },
		"RemoveMember":   func() error { return people.RemoveMember(ctx, s, "a") },
		"Parts":          func() error { _, err := people.PartsOf(ctx, s); return err },
		"Trail":          func() error { _, err := people.Trail(ctx, s, tenancy.AuditQuery{Limit: 1}); return err },
		"Actors":         func() error { _, err := people.Actors(ctx, s, nil); return err },
		"NamesOf":        func() error { _, err := people.NamesOf(ctx, s, nil); return err },
	} {
		if err := reach(); err == nil {
			t.Errorf("the zero Scope's %s did not refuse", name)
		}
	}
}
