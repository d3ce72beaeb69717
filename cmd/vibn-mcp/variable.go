package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// read returns a variable's value from its flag, its file or the environment; file is the
// file's path if the value comes from one. It trims white space around a secret from any
// source: a copied secret often ends with a line break, and none of this program's
// secrets does.
func (v variable) read(env func(string) string, flags *pflag.FlagSet) (value, file string, err error) {
	if name := v.flag(); name != "" && flags.Changed(name) {
		value, err = flags.GetString(name)
		return value, "", err
	}
	value = env(v.name)
	if !v.secret {
		return value, "", nil
	}
	value, file = strings.TrimSpace(value), env(v.name+"_FILE")
	if file == "" {
		return value, "", nil
	}
	if value != "" {
		return "", "", fmt.Errorf("%s_FILE is set too", v.name)
	}
	value, err = readSecret(file)
	return value, file, err
}

// readSecret reads a file that holds only a secret.
func readSecret(file string) (string, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return "", e.Err // see shownPath
	}
	if err != nil {
		return "", err
	}
	value := strings.TrimSpace(string(raw))
	if value == "" {
		return "", errors.New("the file is empty")
	}
	return value, nil
}

// shownPath returns a secret file's path as the start of an error. It returns "" if the
// path may be the secret itself, put into the wrong variable: the file does not exist,
// and the path does not begin with an existing top-level directory.
func shownPath(file string) string {
	if _, err := os.Lstat(file); err == nil {
		return file + ": "
	}
	parts := strings.SplitN(filepath.ToSlash(file), "/", 3)
	if !filepath.IsAbs(file) || len(parts) < 3 || parts[1] == "" {
		return ""
	}
	top, err := os.Stat(parts[0] + "/" + parts[1])
	if err != nil || !top.IsDir() {
		return ""
	}
	return file + ": "
}

// planVariable returns a variable for a part of the default plan, which applies to
// workspaces without their own plan.
func planVariable(name, def, about string, set func(*tenancy.Plan, string) error) variable {
	return variable{
		name: name, def: def, about: about + ", unless its plan says otherwise",
		hint: "memory as 512m, processors as 0.5, the others as whole numbers up to 1000",
		set: func(c *config, v string) error {
			if err := set(&c.plan, v); err != nil {
				return err
			}
			return c.plan.Check()
		},
	}
}

// auditDays returns the variable that says how long the audit trail is kept.
func auditDays() variable {
	return variable{
		name: "VIBN_AUDIT_DAYS", def: "`400`", about: "days for which entries of the audit trail are kept",
		hint: "a whole number above 0",
		set:  func(c *config, v string) (err error) { c.auditDays, err = planCount(v); return err },
	}
}

func planCount(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, errors.New("is not a whole number above 0")
	}
	return n, nil
}

// flag returns the name of the variable's flag; "" if it has none. A secret has no flag,
// because every user of the machine can read command lines.
func (v variable) flag() string {
	if v.secret {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.name, "VIBN_")), "_", "-")
}

// parseBool parses a variable that is true or false.
func parseBool(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, errors.New("is neither true nor false")
	}
	return b, nil
}
