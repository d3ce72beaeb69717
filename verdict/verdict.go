package verdict

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Verdict says what became of a deployment for those who visit the app. Coolify's
// status does not: a build that failed leaves the old version answering, and one
// that finished may answer nobody.
type Verdict string

// The verdicts.
const (
	VerdictLive         Verdict = "live"          // the commit that was wanted runs, and answers
	VerdictFailed       Verdict = "failed"        // it did not come to an end, and nothing answers
	VerdictStale        Verdict = "stale"         // another version than the one that was wanted answers, or takes its place
	VerdictUnreachable  Verdict = "unreachable"   // it was deployed, and does not answer
	VerdictStillRunning Verdict = "still_running" // it has not ended
)

// A Judgement is a verdict with what it rests on. It is zero where nobody waited for
// one.
type Judgement struct {
	Verdict    Verdict        `json:"verdict,omitempty"`
	Reason     string         `json:"reason,omitempty"`      // one sentence
	URL        string         `json:"url,omitempty"`         // that was probed
	HTTPStatus int            `json:"http_status,omitempty"` // of its answer
	FirstError untrusted.Text `json:"first_error,omitzero"`  // of the build log; absent without the sensitive token
}

// An observation is all that a verdict is made from.
type observation struct {
	status    coolify.DeploymentStatus // empty = Coolify named a deployment that is not there
	commit    string                   // that was deployed; empty = not told
	wanted    string                   // empty = not known, so not compared
	overtaken bool                     // commit is a newer one of the branch than wanted, which was not deployed
	appStatus string                   // as "running:healthy"
	url       string                   // that was probed; empty = none was
	unprobed  string                   // why none was
	seen      probe.Result
}

// answered reports whether the app answers a visitor. A redirect and "not found" do:
// Coolify's proxy says 503 for a name that it has no app for.
func (o observation) answered() bool {
	return o.seen.Status > 0 && o.seen.Status < http.StatusInternalServerError
}

// running reports what Coolify says of the app's containers.
func (o observation) running() bool { return strings.HasPrefix(o.appStatus, "running") }

// otherCommit reports whether another commit was deployed than the one that was wanted.
func (o observation) otherCommit() bool {
	return o.wanted != "" && o.commit != "" && o.commit != o.wanted
}

// judge says what has become of a deployment.
func (o observation) judge() Judgement {
	verdict, reason := o.decide()
	return Judgement{Verdict: verdict, Reason: reason, URL: o.url, HTTPStatus: o.seen.Status}
}

func (o observation) decide() (Verdict, string) {
	if o.overtaken {
		return VerdictStale, "a newer push overtook this commit: " + o.commit
	}
	switch o.status {
	case coolify.DeploymentFinished:
		return o.decideFinished()
	case coolify.DeploymentFailed:
		return o.decideUndone("the deployment failed")
	case coolify.DeploymentCancelled:
		return o.decideUndone("the deployment was cancelled")
	case "":
		return o.decideUndone("Coolify's queue is full, so nothing was deployed")
	case coolify.DeploymentQueued:
		return VerdictStillRunning, "the deployment is queued"
	default:
		return VerdictStillRunning, "the deployment is running"
	}
}

func (o observation) decideUndone(how string) (Verdict, string) {
	if o.answered() {
		return VerdictStale, how + "; the version before it " + o.answers()
	}
	return VerdictFailed, how + ", and " + o.silent()
}

func (o observation) decideFinished() (Verdict, string) {
	switch {
	case o.otherCommit():
		return VerdictStale, fmt.Sprintf("commit %s was deployed, but %s was wanted", short(o.commit), short(o.wanted))
	case o.answered():
		return VerdictLive, o.name() + " " + o.answers()
	case o.url != "":
		return VerdictUnreachable, o.name() + " was deployed, but " + o.silent()
	case o.running():
		return VerdictLive, o.name() + " runs; " + o.unprobed
	}
	return VerdictUnreachable, o.name() + " was deployed, but the app does not run; " + o.unprobed
}

// name is what was deployed, as far as it is known.
func (o observation) name() string {
	if o.commit == "" {
		return "a commit that Coolify does not name"
	}
	return "commit " + short(o.commit)
}

func (o observation) answers() string {
	if o.seen.Redirect != "" {
		return fmt.Sprintf("answers %d and points to %s", o.seen.Status, untrusted.Clean(o.seen.Redirect))
	}
	return fmt.Sprintf("answers %d", o.seen.Status)
}

// silent is why nobody answers.
func (o observation) silent() string {
	switch {
	case o.url == "":
		return o.unprobed
	case o.seen.Status == http.StatusServiceUnavailable:
		return "the domain answers 503, as when no container runs for it"
	case o.seen.Status > 0:
		return fmt.Sprintf("the domain answers %d", o.seen.Status)
	}
	return "the domain does not answer: " + o.seen.Reason
}

// mayMend reports whether a look in a moment may see more: a container takes some
// seconds to come up, and a certificate to be issued.
func (o observation) mayMend() bool {
	if o.status != coolify.DeploymentFinished || o.otherCommit() || o.answered() {
		return false
	}
	switch o.seen.Problem {
	case probe.InvalidURL, probe.DNS, probe.RefusedAddress:
		return false
	default:
		return o.url != "" || !o.running()
	}
}

// commitForm is the form of a whole commit id, as git shows it.
var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// whole returns a commit id that is whole, else "": Coolify says HEAD until it
// knows.
func whole(commit string) string {
	if commitForm.MatchString(commit) {
		return commit
	}
	return ""
}

// short is enough of a whole commit id to know it by.
func short(commit string) string { return commit[:min(len(commit), 10)] }

// siteOf is the root of the first domain in Coolify's comma list of URLs. Port and
// path are for Coolify's proxy, which listens on the usual ports. Nil if there is
// none.
func siteOf(fqdn string) *url.URL {
	first, _, _ := strings.Cut(fqdn, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || u.Hostname() == "" {
		return nil
	}
	site := &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Path: "/"}
	if strings.Contains(site.Host, ":") {
		site.Host = "[" + site.Host + "]"
	}
	return site
}
