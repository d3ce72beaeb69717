package hosting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// Coolify writes a container's variables into a file that docker compose reads. How a
// value is written there depends on its flags:
//
// A literal or multiline value stands in single quotes. Coolify does not escape quotes,
// so each ' has to be stored as \'.
//
// A literal value that is a JSON object or list stands without quotes, and so does every
// value that is neither literal nor multiline. In these docker compose replaces $NAME and
// cuts at " #", and the value ends at the line's end. So JSON is written on one line, with
// these characters escaped as JSON can. In the others, Coolify puts a backslash before
// quotes, backslashes and tabs, and docker compose keeps the backslash.
//
// A build-time value also passes through a shell and a Dockerfile. All this was observed
// on Coolify 4.3.11.

// sharedVariable matches the only form of {{…}} that stays inside the app's own project.
// Coolify trims invisible characters between the braces, and resolves {{team.…}} and
// {{server.…}} to secrets of all workspaces. It does so in every value, literal or not.
var sharedVariable = regexp.MustCompile(`\{\{(?:project|environment)\.[A-Za-z_][A-Za-z0-9_]*\}\}`)

// refuseEnvValue says what is wrong with a value, without repeating it; "" if it is
// valid.
func refuseEnvValue(v string) string {
	switch {
	case len(v) > maxEnvValue:
		return fmt.Sprintf("is longer than %d bytes", maxEnvValue)
	case strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }):
		return "contains a control character"
	case strings.ToValidUTF8(v, "") != v:
		return "is not valid UTF-8"
	case strings.Contains(sharedVariable.ReplaceAllString(v, "\x00"), "{{"):
		return "contains {{…}}; only {{project.NAME}} and {{environment.NAME}} are allowed"
	}
	return ""
}

// hintEncode tells the caller what to do with a value that cannot be passed on unchanged.
const hintEncode = "encode it, for example as base64, and decode it in the app"

// storedEnv returns what Coolify has to store so that the container receives the value
// unchanged or, with literal false, with its references replaced. If that is impossible,
// why says so without repeating the value, and hint says what to do.
func storedEnv(w coolify.EnvUpdate) (stored, why, hint string) {
	v := w.Value.Reveal()
	isQuoted := w.Literal || w.Multiline
	switch {
	case strings.TrimFunc(v, isTrimmed) != v:
		why = "begins or ends with white space or an invisible character, which Coolify cuts off"
		return "", why, "leave that out, or " + hintEncode
	case w.BuildTime && strings.Contains(v, "'"):
		return "", "has a single quote, which breaks builds", hintEncode + ", or set it with build_time false"
	case !isQuoted:
		return v, refuseReplaced(v), "leave out literal, so that nothing in it is replaced"
	case strings.HasSuffix(v, `\`):
		return "", "ends in a backslash, which cannot be passed on", hintEncode
	case strings.Contains(v, `\'`):
		return "", "has a backslash before a single quote, which cannot be passed on", hintEncode
	case mayBeJSON(v) && !strings.Contains(v, "'"): // with \' it is not JSON any more
		stored = plainJSON(v)
		return stored, refuseJSON(stored), "write it another way, or " + hintEncode
	}
	return strings.ReplaceAll(v, "'", `\'`), "", ""
}

// arrivesAsJSON says how a JSON value arrives that [plainJSON] had to change.
const arrivesAsJSON = `as equal JSON on one line, with each $, and each # after a space, written as \u0024 and \u0023`

// plainJSON returns JSON that docker compose leaves as it is without quotes. JSON that
// is so already, and what is not JSON, is returned unchanged.
func plainJSON(v string) string {
	var line bytes.Buffer
	if refuseJSON(v) == "" || json.Compact(&line, []byte(v)) != nil {
		return v
	}
	return escapeJSON.Replace(line.String())
}

// escapeJSON escapes characters that in compact JSON stand only in strings, where no
// backslash belongs to them.
var escapeJSON = strings.NewReplacer("$", `\u0024`, " #", ` \u0023`)

// reference matches what docker compose replaces in an unquoted value.
var reference = regexp.MustCompile(`\$(?i:\$|[_a-z]|\{(?:[_a-z][_a-z0-9]*(?::?[-+?].*)?\})?)`)

// refuseReplaced says why a value with replaced references would arrive changed; "" if it
// would not.
func refuseReplaced(v string) string {
	if slices.Contains(reference.FindAllString(v, -1), "${") {
		return "contains a ${ that does not begin a ${NAME}"
	}
	return refuseCut(v)
}

// refuseCut says where docker compose would cut an unquoted value; "" if it would not.
func refuseCut(v string) string {
	switch {
	case strings.Contains(v, "\n"):
		return "has a line break, where it would be cut off"
	case strings.Contains(v, " #"):
		return "has a space before a #, where it would be cut off"
	}
	return ""
}

// refuseJSON says what would change a JSON value on its way; "" if nothing would.
func refuseJSON(v string) string {
	if len(v) > maxEnvValue {
		return fmt.Sprintf("is JSON in which $ and # have to be escaped, and is longer than %d bytes then", maxEnvValue)
	}
	why := refuseCut(v)
	if why == "" && reference.MatchString(v) {
		why = "has a $ that would be replaced"
	}
	if why != "" {
		return "is JSON, which Coolify does not quote, and it " + why
	}
	return ""
}

// mayBeJSON reports whether Coolify may treat a value as a JSON object or list. Some PHP
// versions ignore the case of true, false and null; Go does not.
func mayBeJSON(v string) bool {
	if !strings.HasPrefix(v, "{") && !strings.HasPrefix(v, "[") {
		return false
	}
	return json.Valid([]byte(v)) || json.Valid([]byte(strings.ToLower(v)))
}

// isTrimmed reports whether Coolify cuts a character off both ends of a text: white space,
// and what Laravel treats as white space.
func isTrimmed(r rune) bool {
	return r == 0 || unicode.IsSpace(r) || unicode.Is(unicode.Z, r) || strings.ContainsRune(invisible, r)
}

const invisible = "\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200C\u200D\u200E\u200F" +
	"\u2060\u2061\u2062\u2063\u2064\u2065\u206A\u206B\u206C\u206D\u206E\u206F\u2800\u3164\uFEFF\uFFA0" +
	"\U0001D159\U0001D173\U0001D174\U0001D175\U0001D176\U0001D177\U0001D178\U0001D179\U0001D17A\U000E0020"

// arrival says in which form a stored value reaches the container; "" if unchanged. It
// judges what people wrote in Coolify as well, and does not repeat it.
func arrival(stored string, isQuoted bool) string {
	isJSON := mayBeJSON(stored)
	isQuoted = isQuoted && !isJSON
	switch {
	case isQuoted && endsQuote(stored):
		return "not at all: a single quote or a last backslash in it breaks the file of variables, and so every " +
			"deployment"
	case !isQuoted && strings.Contains(stored, "\n"):
		return "not at all, or cut off: a line break in it breaks the file of variables, and so every deployment"
	case !isQuoted && slices.Contains(reference.FindAllString(stored, -1), "${"):
		return "not at all: a ${ in it that begins no ${NAME} breaks the file of variables, and so every deployment"
	}
	var ways []string
	add := func(is bool, way string) {
		if is {
			ways = append(ways, way)
		}
	}
	add(anyShared.MatchString(stored), "with {{...}} replaced")
	if !isQuoted {
		add(strings.Contains(stored, " #"), "cut off where # follows a space")
		add(reference.MatchString(stored), "with $NAME replaced, and $$ by $")
		add(!isJSON && strings.ContainsAny(stored, "\\'\"\t\r"), "with a backslash before quotes and backslashes, or for a tab")
		add(strings.TrimSpace(stored) != stored, "without the white space at its ends")
	}
	return strings.Join(ways, "; ")
}

// anyShared matches what Coolify may replace in every value.
var anyShared = regexp.MustCompile(`\{\{.*?\}\}`)

// endsQuote reports whether a stored value ends the single quotes around it before its
// end, or keeps them from being closed. A backslash takes the quote or the backslash after
// it for a character.
func endsQuote(stored string) bool {
	for i := 0; i < len(stored); i++ {
		switch {
		case stored[i] == '\'':
			return true
		case stored[i] == '\\' && i+1 == len(stored):
			return true
		case stored[i] == '\\' && (stored[i+1] == '\'' || stored[i+1] == '\\'):
			i++
		}
	}
	return false
}

// containerValue returns what the container receives for a stored value. In a quoted value
// docker compose reads \' as ', whether vibn-mcp wrote it or a person on Coolify's page.
// So the result is what [App.SetEnvs] was given. An unquoted value, JSON, and a lone '
// that breaks the file are returned as stored.
func containerValue(v coolify.EnvValue) secret.Text {
	stored := v.Value.Reveal()
	if !v.Literal && !v.Multiline || mayBeJSON(stored) {
		return v.Value
	}
	return secret.NewText(strings.ReplaceAll(stored, `\'`, "'"))
}

// StoredEnv returns the form in which Coolify stores a literal value so that the
// container, or with buildTime the build, receives it unchanged. ok is false for a value
// that cannot be passed on.
func StoredEnv(value string, buildTime bool) (stored string, ok bool) {
	w := coolify.EnvUpdate{Value: secret.NewText(value), Literal: true, BuildTime: buildTime}
	stored, why, _ := storedEnv(w)
	return stored, why == ""
}
