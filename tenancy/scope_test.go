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

// TestMakersOfScopes lists every function that returns a Scope. A new one is a
// new way into a workspace: it belongs here only if it proves a principal.
func TestMakersOfScopes(t *testing.T) {
	want := []string{
		"Guard.OpenKey",    // proves a bearer key
		"Guard.OpenMember", // proves a membership
		"Guard.open",       // the one that both use
		"Scope.Begin",      // narrows one that was proved
		"newScope",         // called by open and Begin only
	}
	var got []string
	calls := map[string]int{}
	for name, file := range sources(t) {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if returnsScope(f) {
				got = append(got, funcName(f))
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CompositeLit); ok && isIdent(c.Type, "Scope") && funcName(f) != "newScope" {
					t.Errorf("%s: %s makes a Scope by itself", name, funcName(f))
				}
				if c, ok := n.(*ast.CallExpr); ok && isIdent(c.Fun, "newScope") {
					calls[funcName(f)]++
				}
				return true
			})
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions that return a Scope (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"Guard.open": 1, "Scope.Begin": 1}, calls); diff != "" {
		t.Errorf("callers of newScope (-want +got)\n%s", diff)
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

func returnsScope(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	return slices.ContainsFunc(f.Type.Results.List, func(r *ast.Field) bool {
		star, ok := r.Type.(*ast.StarExpr)
		return isIdent(r.Type, "Scope") || (ok && isIdent(star.X, "Scope"))
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
		"App":        func() error { _, err := s.App(ctx, "web"); return err },
		"Apps":       func() error { _, err := s.Apps(ctx, ""); return err },
		"Deployment": func() error { _, err := s.Deployment(ctx, strings.Repeat("a", 24)); return err },
		"Wait":       func() error { _, err := s.Wait(ctx, strings.Repeat("a", 24), 0); return err },
		"Projects":   func() error { _, err := s.Projects(ctx); return err },
		"Project":    func() error { _, err := s.Project(ctx, "a/b"); return err },
		"Describe":   func() error { _, err := s.Describe(ctx); return err },
		"Activity":   func() error { _, err := s.Activity(ctx, tenancy.AuditQuery{Limit: 1}); return err },
		"Begin":      func() error { _, err := s.Begin(ctx, tenancy.Call{Needs: tenancy.Read}); return err },
		"Admit":      func() error { return s.Admit() },
		"CheckClaim": func() error { return s.CheckClaim("") },
	} {
		if err := reach(); err == nil {
			t.Errorf("the zero Scope's %s did not refuse", name)
		}
	}
}
