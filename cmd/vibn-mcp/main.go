// Command vibn-mcp gives each tenant of a Coolify platform a key that is safe to
// hand to an agent: it serves one workspace's apps over MCP and REST.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/tenancy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A program is one run of one command.
type program struct {
	env    func(string) string
	stdin  io.Reader
	stdout io.Writer // data
	stderr io.Writer // words for people
	flags  *pflag.FlagSet
	args   []string // after the command and its flags
	cfg    config
}

// A command is what the first words of the command line name.
type command struct {
	name  string // "serve", "key create"
	args  string // "SLUG KEY_ID"
	about string
	needs []string // configuration that must be there, beside the database
	flags func(*pflag.FlagSet)
	run   func(context.Context, *program) error
}

// commands lists the commands in the order in which help shows them.
func commands() []command {
	return slices.Concat(
		[]command{serveCommand, stdioCommand, demoCommand, migrateCommand},
		workspaceCommands, keyCommands,
		[]command{versionCommand},
	)
}

// errUsage marks a command line that cannot be understood: exit status 2.
var errUsage = errors.New("usage")

// run executes one command and returns the exit status: 0 for success, 1 for
// failure, 2 for a command line that cannot be understood.
func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	err := p.run(ctx, args)
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		p.complain(err)
		return 2
	}
	p.complain(err)
	return 1
}

func (p *program) run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return p.help(args[min(len(args), 1):])
	}
	if args[0] == "--version" {
		args[0] = "version"
	}
	cmd, rest, ok := find(args)
	if !ok {
		return usagef("there is no command %q", strings.Join(args[:min(len(args), 2)], " "))
	}
	p.flags = pflag.NewFlagSet(cmd.name, pflag.ContinueOnError)
	p.flags.SetOutput(io.Discard)
	addConfigFlags(p.flags)
	if cmd.flags != nil {
		cmd.flags(p.flags)
	}
	if err := p.flags.Parse(rest); errors.Is(err, pflag.ErrHelp) {
		p.helpCommand(cmd)
		return err
	} else if err != nil {
		return usagef("%s: %v", cmd.name, err)
	}
	p.args = p.flags.Args()
	if want := len(strings.Fields(cmd.args)); len(p.args) != want {
		return usagef("%q takes %d arguments (%s), not %d", cmd.name, want, orNone(cmd.args), len(p.args))
	}
	cfg, err := readConfig(p.env, p.flags, cmd.needs)
	if err != nil {
		return err
	}
	p.cfg = cfg
	return cmd.run(ctx, p)
}

// find returns the command that the first words name: two words, or one.
func find(args []string) (command, []string, bool) {
	for n := min(len(args), 2); n > 0; n-- {
		name := strings.Join(args[:n], " ")
		for _, c := range commands() {
			if c.name == name {
				return c, args[n:], true
			}
		}
	}
	return command{}, nil, false
}

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// complain tells people what went wrong and what to do about it.
func (p *program) complain(err error) {
	if many, ok := errors.AsType[configErrors](err); ok {
		for _, e := range many {
			p.sayf("error: %s: %s\nhint: %s\n", e.name, e.reason, e.hint)
		}
		return
	}
	if e, ok := errors.AsType[*tenancy.Error](err); ok {
		p.sayf("error: %s\n", e.Error())
		if e.Hint != "" {
			p.sayf("hint: %s\n", e.Hint)
		}
		return
	}
	if text, ok := strings.CutPrefix(err.Error(), errUsage.Error()+": "); ok {
		p.sayf("error: %s\nhint: \"vibn-mcp help\" shows the commands and their flags\n", text)
		return
	}
	p.sayf("error: %v\n", err)
	if h, ok := errors.AsType[hinted](err); ok {
		p.sayf("hint: %s\n", h.hint)
	}
}

// A hinted error says what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// sayf writes words for people. Nobody is left to tell if that fails.
func (p *program) sayf(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

// printf writes data.
func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
}
