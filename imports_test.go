package vibn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/vibnai/vibn-mcp/"

// mayImport lists, for each package of this module, the others that it may
// import outside its tests. It is the picture in ARCHITECTURE.md as a table:
// the packages that face an agent reach Coolify, Gitea and the database only
// through tenancy, where ownership is proved.
var mayImport = map[string]string{
	"cmd/vibn-mcp":                   "clients coolify coolify/coolifytest db/migrations gitea gitea/giteatest hosting mcp people probe provision push secret sidecar store tenancy untrusted",
	"clients":                        "secret untrusted",
	"mcp":                            "hosting people repository secret tenancy untrusted verdict",
	"sidecar":                        "clients hosting mcp people push repository secret tenancy untrusted verdict",
	"sidecar/oidctest":               "",
	"tenancy":                        "coolify gitea internal/known internal/places internal/room internal/waits probe secret untrusted",
	"tenancy/tenancytest":            "coolify coolify/coolifytest gitea gitea/giteatest hosting people probe provision push repository secret store store/storetest tenancy verdict",
	"people":                         "coolify internal/room provision secret tenancy untrusted",
	"repository":                     "gitea internal/room provision secret tenancy untrusted",
	"hosting":                        "coolify gitea internal/room once provision repository secret tenancy untrusted",
	"verdict":                        "coolify gitea hosting internal/room probe repository tenancy untrusted",
	"push":                           "coolify gitea hosting internal/room repository secret tenancy verdict",
	"provision":                      "coolify gitea once secret tenancy untrusted",
	"once":                           "",
	"internal/known":                 "",
	"internal/places":                "",
	"internal/room":                  "",
	"internal/waits":                 "",
	"internal/dockertest":            "",
	"store":                          "db/migrations hosting people provision push repository secret tenancy verdict",
	"store/storetest":                "secret store",
	"coolify":                        "secret upstream",
	"coolify/coolifytest":            "coolify/coolifytest/builder coolify/coolifytest/composeenv upstream/upstreamtest",
	"coolify/coolifytest/builder":    "",
	"coolify/coolifytest/composeenv": "",
	"gitea":                          "secret upstream",
	"probe":                          "",
	"upstream":                       "secret",
	"upstream/documenttest":          "",
	"upstream/upstreamtest":          "",
	"gitea/giteatest":                "gitea/giteatest/forms gitea/giteatest/gitdir upstream/upstreamtest",
	"gitea/giteatest/forms":          "",
	"gitea/giteatest/gitdir":         "",
	"untrusted":                      "secret",
	"secret":                         "",
	"db/migrations":                  "",
	"tools/dist":                     "clients",
	"tools/shape":                    "",
}

// homes lists, for code of others, the only packages that may import it (or
// what lies below it) outside their tests.
var homes = map[string]string{
	"github.com/modelcontextprotocol/go-sdk": "mcp",
	"github.com/hashicorp/go-retryablehttp":  "upstream",
	"github.com/jackc/pgx":                   "store store/storetest",
	"github.com/pressly/goose":               "store store/storetest",
	"github.com/riverqueue/river":            "store",
	"github.com/alexedwards/scs":             "sidecar",
	"github.com/coreos/go-oidc":              "sidecar",
	"golang.org/x/oauth2":                    "sidecar",
	"github.com/zitadel/oidc":                "sidecar/oidctest",
	"github.com/getkin/kin-openapi":          "upstream/documenttest",
	"modernc.org/sqlite":                     "store store/storetest",
	"testing":                                "internal/dockertest sidecar/oidctest store/storetest tenancy/tenancytest upstream/documenttest",
}

func TestImportsOfOurs(t *testing.T) {
	imports := listImports(t)
	for pkg, list := range imports {
		may, ok := mayImport[pkg]
		if !ok {
			t.Errorf("package %s has no line in mayImport", pkg)
			continue
		}
		for _, path := range list {
			name, ours := strings.CutPrefix(path, module)
			if ours && !contains(may, name) {
				t.Errorf("%s imports %s; of this module it may import only: %s", pkg, name, may)
			}
		}
	}
	for pkg := range mayImport {
		if _, ok := imports[pkg]; !ok {
			t.Errorf("mayImport has a line for %s, which does not exist", pkg)
		}
	}
}

func TestImportsOfOthers(t *testing.T) {
	imports := listImports(t)
	for root, home := range homes {
		used := false
		for pkg, list := range imports {
			if !slices.ContainsFunc(list, func(path string) bool { return within(path, root) }) {
				continue
			}
			used = true
			if !contains(home, pkg) {
				t.Errorf("%s imports %s; only these may: %s", pkg, root, home)
			}
		}
		if !used {
			t.Errorf("homes has a line for %s, which no package imports", root)
		}
	}
}

// listImports returns what each package of this module imports outside its tests,
// on any platform. Packages of this module go by their path below it. It reads the
// files itself: of what another program reads, go test's cache knows nothing.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && noPackage(d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		imports[pkg] = append(imports[pkg], importsOf(t, f)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

// noPackage reports whether a folder of that name holds no package of this module.
func noPackage(name string) bool {
	return name == "testdata" || name == "node_modules" || name != "." && strings.HasPrefix(name, ".")
}

func importsOf(t *testing.T, f *ast.File) []string {
	t.Helper()
	var paths []string
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// contains reports whether name is among the space-separated names.
func contains(names, name string) bool {
	return slices.Contains(strings.Fields(names), name)
}

// within reports whether the package path is root or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}
