// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A submission's Go program is compiled against packages that were compiled before, by the go
// command, from the course's own text. The go command never sees a submission: what it
// would do with one, load modules, read files by //go:embed, is nothing that a program of
// one file needs, and the compiler and the linker alone are quicker, and read one folder.

// toolchain is an installed Go.
type toolchain struct {
	command string // path of the go command
	version string // "go1.26.8"
	tools   string // folder of compile and link
	modules string // the module cache
	cache   string // Go's build cache
	root    string // GOROOT
}

// environment is what is built for, whatever machine this is.
var environment = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOEXPERIMENT=", "GODEBUG=", "GOFIPS140=off",
	"GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOPROXY=off", "GOTELEMETRY=off", "LC_ALL=C"}

// findToolchain asks the go command in PATH for where it keeps things.
func findToolchain(ctx context.Context) (*toolchain, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoGo, err)
	}
	env := []string{"GOTOOLCHAIN=local"} // and what says where things are
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GOROOT", "GOPATH", "GOMODCACHE", "GOCACHE", "GOENV"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	out, err := runGo(ctx, command, "/", env, "env", "-json", "GOVERSION", "GOTOOLDIR", "GOMODCACHE", "GOCACHE", "GOROOT")
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", command, err)
	}
	var is struct{ GOVERSION, GOTOOLDIR, GOMODCACHE, GOCACHE, GOROOT string }
	if err := json.Unmarshal(out, &is); err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", command, err)
	}
	return &toolchain{command: command, version: is.GOVERSION, tools: is.GOTOOLDIR, modules: is.GOMODCACHE, cache: is.GOCACHE, root: is.GOROOT}, nil
}

// runGo runs the go command on what is not a submission's and returns what it prints.
func runGo(ctx context.Context, command, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &exit):
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// packages are packages that were compiled.
type packages struct {
	Dir      string            `json:"-"`
	Key      string            // a sum of all that they were made of
	Language string            // version of Go that they are written in, "go1.26"
	File     map[string]string // of each, by import path, in Dir; what these import is there as well
}

// xsys is the one module from elsewhere that student-facing packages need.
const xsys = "golang.org/x/sys"

// own is the prefix of the course's packages.
const own = "bpflab/"

// loadPackages returns the library and some packages of the clone at root, compiled, and what
// these depend on. It compiles them if need be, which takes seconds, once.
func (b Builder) loadPackages(ctx context.Context, gc *toolchain, root string, imports []string) (*packages, error) {
	files, goVersion, sysVersion, err := packageFiles(root, imports)
	if err != nil {
		return nil, err
	}
	identity := []string{entryVersion, gc.version, gc.root, goVersion, sysVersion, strings.Join(library, " "), strings.Join(imports, " ")}
	for _, name := range []string{"compile", "link"} {
		info, err := os.Stat(filepath.Join(gc.tools, name))
		if err != nil {
			return nil, fmt.Errorf("find Go's tools: %w", err)
		}
		identity = append(identity, fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano()))
	}
	key := hash([]byte(strings.Join(append(identity, files.content()), "\x00")))

	folder, err := b.folder("gopackages")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(folder, key[:16])
	if p, ok := readPackages(dir, key); ok {
		used(dir)
		return p, nil
	}
	tmp, err := os.MkdirTemp(folder, ".build-*")
	if err != nil {
		return nil, fmt.Errorf("make folder to build in: %w: make %s writable or choose another cache folder", err, folder)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "packages")
	p := &packages{Dir: dir, Key: key, Language: "go" + goVersion, File: map[string]string{}}
	if err := p.compile(ctx, gc, tmp, made, imports, files, goVersion, sysVersion); err != nil {
		return nil, fmt.Errorf("compile the packages that a submission's Go program may import: %w", err)
	}
	forgetPackages(folder)
	if err := os.Rename(made, dir); err != nil {
		if p, ok := readPackages(dir, key); ok { // another run was quicker
			return p, nil
		}
		_ = os.RemoveAll(dir) // it was damaged
		if err := os.Rename(made, dir); err != nil {
			return nil, fmt.Errorf("keep compiled packages: %w", err)
		}
	}
	return p, nil
}

// maxPackages is how many sets of compiled packages are kept, of some 50 MiB each: one for each lab
// with a program, of this version of the course and of the one before.
const maxPackages = 4

// forgetPackages removes what dead runs have left, and the sets used least recently.
func forgetPackages(folder string) {
	entries, _ := os.ReadDir(folder)
	var sets []os.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil: // another run has removed it
		case !strings.HasPrefix(e.Name(), "."):
			sets = append(sets, info)
		case time.Since(info.ModTime()) > leftover:
			_ = os.RemoveAll(filepath.Join(folder, e.Name()))
		}
	}
	slices.SortFunc(sets, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, old := range sets[min(len(sets), maxPackages-1):] { // another comes
		_ = os.RemoveAll(filepath.Join(folder, old.Name()))
	}
}

const packagesFile = "packages.json"

func readPackages(dir, key string) (*packages, bool) {
	raw, err := os.ReadFile(filepath.Join(dir, packagesFile))
	p := &packages{Dir: dir}
	if err != nil || json.Unmarshal(raw, p) != nil || p.Key != key || len(p.File) == 0 {
		return nil, false
	}
	for _, file := range p.File {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() == 0 {
			return nil, false
		}
	}
	return p, true
}

var (
	goLineOfMod  = regexp.MustCompile(`(?m)^go (\d+\.\d+)`)
	sysLineOfMod = regexp.MustCompile(`(?m)^\s*(?:require\s+)?golang\.org/x/sys (v\S+)`)
)

// packageFiles reads the clone's packages among some imports, by the path of each file in the
// module. A file that imports packages of the grader's is none that a student's program needs.
func packageFiles(root string, imports []string) (files sources, goVersion, sysVersion string, err error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, "", "", fmt.Errorf("read the clone's go.mod: %w", err)
	}
	for line, to := range map[*regexp.Regexp]*string{goLineOfMod: &goVersion, sysLineOfMod: &sysVersion} {
		m := line.FindSubmatch(mod)
		if m == nil {
			return nil, "", "", fmt.Errorf("read the clone's go.mod: expected a line that matches %s", line)
		}
		*to = string(m[1])
	}
	files = sources{}
	for _, p := range imports {
		name, ok := strings.CutPrefix(p, own)
		if !ok {
			continue
		}
		list, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(name), "*.go"))
		if err != nil || len(list) == 0 {
			return nil, "", "", fmt.Errorf("find package %s in %s: no Go files: %w", p, root, errors.Join(err, os.ErrNotExist))
		}
		for _, file := range list {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, "", "", err
			}
			if strings.HasSuffix(file, "_test.go") || !forStudents(text, imports) {
				continue
			}
			files[path.Join(name, filepath.Base(file))] = text
		}
	}
	return files, goVersion, sysVersion, nil
}

// forStudents reports whether a file imports no other packages of the clone than some.
func forStudents(text []byte, imports []string) bool {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ImportsOnly)
	if err != nil {
		return true // Go says it better
	}
	for _, spec := range file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		if strings.HasPrefix(p, own) && !slices.Contains(imports, p) {
			return false
		}
	}
	return true
}

// compile compiles them in the folder tmp, as a module of their own, and copies what came out
// to the folder made.
func (p *packages) compile(ctx context.Context, gc *toolchain, tmp, made string, imports []string, files sources, goVersion, sysVersion string) error {
	module := filepath.Join(tmp, "module")
	write := func(name, text string) error {
		file := filepath.Join(module, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, []byte(text), 0o644)
	}
	for name, text := range files {
		if err := write(name, string(text)); err != nil {
			return err
		}
	}
	sys, err := gc.moduleFolder(ctx, sysVersion)
	if err != nil {
		return err
	}
	err = errors.Join(
		write("go.mod", fmt.Sprintf("module bpflab\n\ngo %s\n\nrequire %s %s\n", goVersion, xsys, sysVersion)),
		write("vendor/modules.txt", fmt.Sprintf("# %s %s\n## explicit; go %s\n%s/unix\n", xsys, sysVersion, goVersion, xsys)),
		os.MkdirAll(filepath.Join(module, "vendor", xsys), 0o755),
	)
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(module, "vendor", xsys, "unix"), os.DirFS(filepath.Join(sys, "unix"))); err != nil {
		return err
	}
	cache := gc.cache
	if !filepath.IsAbs(cache) {
		cache = filepath.Join(tmp, "cache")
	}
	env := append([]string{"PATH=" + os.Getenv("PATH"), "GOROOT=" + gc.root, "GOCACHE=" + cache, "GOMODCACHE=" + filepath.Join(tmp, "none"),
		"GOFLAGS=-mod=vendor", "TMPDIR=" + tmp}, environment...)
	args := []string{"list", "-export", "-deps", "-trimpath", "-f", "{{.ImportPath}}\t{{.Export}}"}
	out, err := runGo(ctx, gc.command, module, env, append(append(args, library...), imports...)...)
	if err != nil {
		return err
	}
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		name, archive, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if archive == "" { // unsafe
			continue
		}
		raw, err := os.ReadFile(archive)
		if err != nil {
			return err
		}
		p.File[name] = strings.ReplaceAll(name, "/", "-") + ".a"
		if err := os.WriteFile(filepath.Join(made, p.File[name]), raw, 0o444); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(made, packagesFile), raw, 0o444)
}

// moduleFolder is where golang.org/x/sys lies, which is fetched if it is not there: a bpflab
// that was built elsewhere may run in a clone that never built one.
func (gc *toolchain) moduleFolder(ctx context.Context, version string) (string, error) {
	dir := filepath.Join(gc.modules, filepath.FromSlash(xsys)+"@"+version)
	if _, err := os.Stat(filepath.Join(dir, "unix")); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp("", "bpflab-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	env := []string{"GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local"}
	for _, e := range os.Environ() {
		if reachesNetwork.MatchString(e) {
			env = append([]string{e}, env...)
		}
	}
	if _, err := runGo(ctx, gc.command, tmp, env, "mod", "download", xsys+"@"+version); err != nil {
		return "", fmt.Errorf("fetch %s@%s: %w: run \"go mod download\" in the clone", xsys, version, err)
	}
	return dir, nil
}

// reachesNetwork is what of the environment the go command needs to fetch a module.
var reachesNetwork = regexp.MustCompile(`(?i)^(PATH|HOME|XDG_[A-Z]+_HOME|GO[A-Z]+|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|NETRC)=`)

// configs writes what compile and link read to find packages: the first may import some, the
// second must have them all.
func (p *packages) configs(dir string, imports []string) (compile, link string, err error) {
	var some, all strings.Builder
	for name, file := range p.File {
		line := fmt.Sprintf("packagefile %s=%s\n", name, filepath.Join(p.Dir, file))
		all.WriteString(line)
		if slices.Contains(imports, name) || slices.Contains(library, name) {
			some.WriteString(line)
		}
	}
	compile, link = filepath.Join(dir, "importcfg"), filepath.Join(dir, "importcfg.link")
	return compile, link, errors.Join(os.WriteFile(compile, []byte(some.String()), 0o644), os.WriteFile(link, []byte(all.String()), 0o644))
}
