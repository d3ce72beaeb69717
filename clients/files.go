package clients

import "strings"

// What a folder gets besides the clients' own files, below it.
const (
	envFile    = ".env.local"
	ignoreFile = ".gitignore"
	rulesFile  = ".cursor/rules/vibn.mdc"
	agentsFile = "AGENTS.md"

	// Below git's own folder.
	gitKeyFile    = "vibn-key"
	gitConfigFile = "vibn.config"
)

// tmpPrefix begins the name of a file that is being written, beside the one that
// it becomes.
const tmpPrefix = ".vibn-tmp-"

// keyLength is how long a workspace's key is.
const keyLength = 57

// The markers around lines of ours in files whose comments begin with #.
const (
	hashBegin = "# vibn: begin. Made by vibn; what is changed between these two lines is lost."
	hashEnd   = "# vibn: end"
)

// keyFiles are the files below a project's folder that may hold the key.
func keyFiles() []string {
	files := []string{envFile}
	for _, c := range All() {
		if !c.InHome() {
			files = append(files, c.File)
		}
	}
	return files
}

// variables are the lines of the file of variables.
func (s Setup) variables(key string) string {
	return "VIBN_URL=" + Root(s.URL) + "\nVIBN_WORKSPACE=" + plainName(s.Slug) + "\nVIBN_API_KEY=" + key
}

// plainName leaves out of a slug what a slug of ours never has, though one of a
// database that was adopted may.
func plainName(slug string) string {
	var b strings.Builder
	for i := range len(slug) {
		if plain(slug[i]) {
			b.WriteByte(slug[i])
		}
	}
	return b.String()
}

// gitConfig is the file of settings that has git ask vibn-mcp, and nobody before
// it, for what opens Gitea's repositories; "" without a Gitea. The helper takes
// the key from a file beside it, wherever the repository is moved.
func (s Setup) gitConfig() string {
	if s.Gitea == nil {
		return ""
	}
	helper := "!VIBN_URL=" + Root(s.URL) + ` VIBN_API_KEY= VIBN_API_KEY_FILE="$(git rev-parse --git-common-dir)/` + gitKeyFile + `" vibn-mcp git-credential`
	return "# Made by vibn.\n[credential \"" + Root(s.Gitea) + "\"]\n\thelper =\n\thelper = \"" + strings.ReplaceAll(
		helper, `"`, `\"`,
	) + "\"\n"
}
