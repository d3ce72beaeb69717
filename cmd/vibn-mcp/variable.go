package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// read returns a variable's value: from its flag, its file, which it names then, or
// the environment. A secret comes without the white space around it, wherever it is
// from: a line's end is easily caught, and no secret of ours ends in one.
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

// readSecret reads a file that holds a secret and nothing else.
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

// shownPath returns the path of a secret's file as an error begins with it, or "" if
// it may be the secret itself, put into the wrong variable: there is no such file,
// and it leads into no directory that is at the root.
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
