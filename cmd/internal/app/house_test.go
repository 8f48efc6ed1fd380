package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const root = "../../.."

// TestImportRules keeps the layers of docs/architecture.md apart.
func TestImportRules(t *testing.T) {
	eachFile(t, func(t *testing.T, path string, file *ast.File, _ *token.FileSet) {
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := forbidden(path, name); why != "" {
				t.Errorf("%s imports %s: %s", path, name, why)
			}
		}
	})
}

// forbidden returns why the file must not import the package, or "".
func forbidden(path, name string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	test := strings.HasSuffix(path, "_test.go")
	local, isLocal := strings.CutPrefix(name, "kaimenhong/")
	third := !isLocal && strings.Contains(strings.SplitN(name, "/", 2)[0], ".")
	switch {
	case parts[0] == "model" && (len(parts) == 2 || parts[1] == "fault"):
		if third || isLocal && local != "model" && local != "model/fault" {
			return "model and model/fault know the standard library only"
		}
	case parts[0] == "model":
		if isLocal && !strings.HasPrefix(local, "model") {
			return "model knows nothing above it"
		}
	case parts[0] == "service":
		return forbiddenToService(parts[1], local, name, isLocal, test)
	case parts[0] == "handler" || parts[0] == "job":
		if isLocal && !under(local, "model", "service", parts[0]) {
			return parts[0] + " knows model and service"
		}
	case parts[0] == "sandbox":
		if isLocal && !under(local, "model", "sandbox") {
			return "the sandbox judges the protocol independently"
		}
		if strings.HasPrefix(name, "github.com/silenceper/") || strings.HasPrefix(name, "github.com/wechatpay-apiv3/") {
			return "the sandbox has its own implementation of the protocol"
		}
	case parts[0] == "config":
		if isLocal && !under(local, "model", "config") {
			return "config knows model"
		}
	}
	return ""
}

func forbiddenToService(domain, local, name string, isLocal, test bool) string {
	switch {
	case strings.HasPrefix(name, "github.com/gin-gonic/"), strings.HasPrefix(name, "github.com/robfig/cron"), strings.HasPrefix(name, "github.com/danielgtaylor/huma"):
		return "a service knows no HTTP framework and no scheduler"
	case !isLocal, under(local, "model"), under(local, "service/"+domain):
		return ""
	case test && under(local, "sandbox"):
		return ""
	}
	return "a domain reaches another through an interface that it declares"
}

func under(name string, roots ...string) bool {
	for _, r := range roots {
		if name == r || strings.HasPrefix(name, r+"/") {
			return true
		}
	}
	return false
}

// The sizes that keep the code readable; generated code is exempt.
const (
	maxFunctionLines = 70
	maxFileLines     = 500
	maxInterface     = 3
)

func TestSizes(t *testing.T) {
	eachFile(t, func(t *testing.T, path string, file *ast.File, fset *token.FileSet) {
		if strings.Contains(path, "/internal/db/") {
			return
		}
		if n := fset.Position(file.End()).Line; n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d", path, n, maxFileLines)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1; lines > maxFunctionLines {
					t.Errorf("%s: %s has %d lines, at most %d", path, n.Name.Name, lines, maxFunctionLines)
				}
			case *ast.InterfaceType:
				if n.Methods.NumFields() > maxInterface {
					t.Errorf("%s:%d: an interface with %d methods, at most %d", path, fset.Position(n.Pos()).Line, n.Methods.NumFields(), maxInterface)
				}
			}
			return true
		})
	})
}

func TestNoDustbins(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skipped(d) {
			return filepath.SkipDir
		}
		switch name := d.Name(); strings.TrimSuffix(name, ".go") {
		case "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc":
			t.Errorf("%s: name it after what it does", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipped(d fs.DirEntry) bool {
	switch d.Name() {
	case ".git", "node_modules", "testdata", "data", "dist", "tools":
		return d.IsDir()
	}
	return false
}

func eachFile(t *testing.T, check func(t *testing.T, path string, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skipped(d) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		check(t, rel, file, fset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no file was read")
	}
}

func TestImportRulesCatchWhatTheyAreFor(t *testing.T) {
	for _, tt := range []struct {
		path, name string
		forbidden  bool
	}{
		{"model/id.go", "time", false},
		{"model/id.go", "github.com/redis/go-redis/v9", true},
		{"model/fault/fault.go", "kaimenhong/service/points", true},
		{"model/sqldb/open.go", "github.com/go-sql-driver/mysql", false},
		{"service/mall/mall.go", "kaimenhong/service/points", true},
		{"service/mall/mall.go", "github.com/gin-gonic/gin", true},
		{"service/mall/mall.go", "kaimenhong/config", true},
		{"service/mall/mall.go", "kaimenhong/service/mall/internal/db", false},
		{"service/carrier/client_test.go", "kaimenhong/sandbox/carrier", false},
		{"service/carrier/client.go", "kaimenhong/sandbox/carrier", true},
		{"handler/points.go", "kaimenhong/config", true},
		{"sandbox/wechat/token.go", "kaimenhong/service/wechat", true},
		{"sandbox/wechat/token.go", "github.com/silenceper/wechat/v2/util", true},
	} {
		if got := forbidden(tt.path, tt.name) != ""; got != tt.forbidden {
			t.Errorf("%s importing %s: forbidden = %v, want %v", tt.path, tt.name, got, tt.forbidden)
		}
	}
}
