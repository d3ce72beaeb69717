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
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// gcPercent lets the heap grow to nine times the live data. Live data is only some
// megabytes, and the protocol's SDK allocates half a megabyte of garbage per call. With
// Go's default, garbage collection takes half of the processor time.
const gcPercent = 800

// A program is one run of one command.
type program struct {
	env    func(string) string
	stdin  io.Reader
	stdout io.Writer // data
	stderr io.Writer // messages for people
	flags  *pflag.FlagSet
	args   []string // after the command and its flags
	cmd    command
	cfg    config
	db     *store.DB // for the operator's commands
}

// A command is named by the first words of the command line.
type command struct {
	name  string // "serve", "key create"
	args  string // "SLUG KEY_ID"
	about string
	reads []string // the only variables that it reads; nil = all
	needs []string // the required ones
	later bool     // run reads the configuration itself, when it needs it
	waits bool     // has the flag --wait, which does its work in this process, with all that a server needs
	flags func(*pflag.FlagSet)
	run   func(context.Context, *program) error
}

// commands lists the commands in the order in which help shows them.
func commands() []command {
	return slices.Concat(
		[]command{
			serveCommand, stdioCommand, callCommand, connectCommand, gitCredentialCommand, demoCommand, migrateCommand,
			doctorCommand,
		},
		workspaceCommands, giteaCommands, keyCommands,
		[]command{loginLinkCommand, rotateSecretsCommand, versionCommand},
	)
}

// A usageError is an invalid command line: exit status 2.
type usageError struct{ reason, hint string }

func (e usageError) Error() string { return e.reason }

// run executes one command and returns the exit status: 0 for success, 1 for failure, 2
// for an invalid command line.
func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	err := p.run(ctx, args)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	p.complain(err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

func (p *program) run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return p.help(args[min(len(args), 1):])
	}
	if args[0] == "--version" {
		args = append([]string{"version"}, args[1:]...)
	}
	cmd, rest, ok := find(args)
	if !ok {
		return unknown(args)
	}
	if err := p.parse(cmd, rest); err != nil {
		return err
	}
	switch {
	case cmd.name == stdioCommand.name && p.isRemote():
		cmd = bridgeCommand
	case cmd.name == callCommand.name && p.isRemote():
		cmd = remoteCallCommand
	}
	if wait, _ := p.flags.GetBool("wait"); wait && cmd.waits { // a missing flag reads as false
		cmd.reads, cmd.needs = nil, serverNeeds
	}
	p.cmd = cmd
	if cmd.later {
		return cmd.run(ctx, p)
	}
	if err := p.configure(); err != nil {
		return err
	}
	return cmd.run(ctx, p)
}

// configure reads the configuration of the command.
func (p *program) configure() (err error) {
	p.cfg, err = readConfig(p.env, p.flags, p.cmd)
	return err
}

// parse parses what follows the words of a command.
func (p *program) parse(cmd command, rest []string) error {
	p.flags = pflag.NewFlagSet(cmd.name, pflag.ContinueOnError)
	p.flags.SetOutput(io.Discard)
	addConfigFlags(p.flags, cmd)
	if cmd.name == callCommand.name {
		cmd = forTool(cmd, rest)
	}
	if cmd.flags != nil {
		cmd.flags(p.flags)
	}
	if cmd.waits {
		p.flags.Bool("wait", false, waitAbout)
	}
	hint := fmt.Sprintf("\"vibn-mcp help %s\" shows what it takes", cmd.name)
	if err := p.flags.Parse(rest); errors.Is(err, pflag.ErrHelp) {
		return errors.Join(p.helpCommand(cmd), err)
	} else if err != nil {
		return usageError{err.Error(), hint}
	}
	p.args = p.flags.Args()
	if want := strings.Fields(cmd.args); len(p.args) != len(want) {
		return usageError{argumentsError(cmd, want, len(p.args)), hint}
	}
	return nil
}

// argumentsError says which arguments a command takes and how many were given.
func argumentsError(cmd command, want []string, given int) string {
	takes := "takes no argument"
	if len(want) > 0 {
		takes = "takes " + strings.Join(want, " and ")
	}
	were := "were"
	if given == 1 {
		were = "was"
	}
	return fmt.Sprintf("%s %s, and %d %s given", cmd.name, takes, given, were)
}

const waitAbout = "do it now, with the configuration of serve, and report the result"

// find returns the command named by the first two words, or by the first word.
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

// within returns the commands whose first word is name.
func within(name string) []command {
	return slices.DeleteFunc(commands(), func(c command) bool { return !strings.HasPrefix(c.name, name+" ") })
}

// unknown returns the error for args that name no command.
func unknown(args []string) error {
	if len(within(args[0])) > 0 {
		return usageError{
			fmt.Sprintf("there is no command %q", strings.Join(args[:min(len(args), 2)], " ")),
			fmt.Sprintf("\"vibn-mcp help %s\" shows the commands that begin so", args[0]),
		}
	}
	return usageError{fmt.Sprintf("there is no command %q", args[0]), "\"vibn-mcp help\" shows the commands"}
}

// complain prints what went wrong and what to do about it: as text for people, or as JSON
// if the caller asked for it, one line per failure.
func (p *program) complain(err error) {
	if many, ok := errors.AsType[configErrors](err); ok {
		for _, e := range many {
			p.sayFailure(mcp.Failure{Code: tenancy.Invalid, Message: e.name + ": " + e.reason, Hint: e.hint})
		}
		return
	}
	f := mcp.Failure{Code: tenancy.Internal}
	if e, ok := errors.AsType[*tenancy.Error](err); ok {
		f = mcp.FailureOf(e)
	} else if e, ok := errors.AsType[usageError](err); ok {
		f = mcp.Failure{Code: tenancy.Invalid, Hint: e.hint}
	} else if e, ok := errors.AsType[hinted](err); ok {
		f.Hint = e.hint
	}
	f.Message = err.Error()
	p.sayFailure(f)
}

// sayFailure writes a failure as JSON, or as one line for the error and one for the hint,
// even if they contain line breaks.
func (p *program) sayFailure(f mcp.Failure) {
	f.Message, f.Hint = untrusted.Clean(f.Message), untrusted.Clean(f.Hint)
	if p.wantsJSON() {
		p.sayf("%s\n", f.JSON())
		return
	}
	p.sayf("error: %s\n", f.Message)
	if f.Hint != "" {
		p.sayf("hint: %s\n", f.Hint)
	}
}

// wantsJSON reports whether the command has the flag --json and the caller gave it.
func (p *program) wantsJSON() bool {
	if p.flags == nil {
		return false
	}
	asJSON, err := p.flags.GetBool("json")
	return asJSON && err == nil
}

// A hinted error also says what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// sayf writes a message for people. It ignores a failed write, which could not be
// reported.
func (p *program) sayf(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

// printf writes data to standard output.
func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
}
