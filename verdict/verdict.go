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

// A Verdict says what a deployment means for the app's visitors. Coolify's status does
// not: after a failed build the old version still answers, and after a finished one the
// app may not answer.
type Verdict string

// These are the verdicts.
const (
	VerdictLive         Verdict = "live"          // the requested commit runs and answers
	VerdictFailed       Verdict = "failed"        // the deployment did not succeed, and the app does not answer
	VerdictStale        Verdict = "stale"         // another version answers, or is being deployed
	VerdictUnreachable  Verdict = "unreachable"   // the commit was deployed, and the app does not answer
	VerdictStillRunning Verdict = "still_running" // the deployment has not ended
)

// A Judgement is a verdict with its evidence. It is zero where the caller did not wait
// for one.
type Judgement struct {
	Verdict    Verdict        `json:"verdict,omitempty"`
	Reason     string         `json:"reason,omitempty"`      // one sentence
	URL        string         `json:"url,omitempty"`         // the URL that was probed
	HTTPStatus int            `json:"http_status,omitempty"` // of its answer
	FirstError untrusted.Text `json:"first_error,omitzero"`  // of the build log; absent without the sensitive token
}

// An observation holds everything from which a verdict is made.
type observation struct {
	status    coolify.DeploymentStatus // empty = Coolify reported a deployment that does not exist
	commit    string                   // the deployed commit; empty = unknown
	wanted    string                   // the requested commit; empty = unknown, so not compared
	overtaken bool                     // commit is a newer one of the branch than wanted, which was not deployed
	appStatus string                   // for example "running:healthy"
	url       string                   // the URL that was probed; empty = none
	unprobed  string                   // why no URL was probed
	seen      probe.Result
}

// answered reports whether the app answers a visitor. A redirect and "not found" count as
// answers: Coolify's proxy answers 503 for a name without an app.
func (o observation) answered() bool {
	return o.seen.Status > 0 && o.seen.Status < http.StatusInternalServerError
}

// running reports whether Coolify says that the app's containers run.
func (o observation) running() bool { return strings.HasPrefix(o.appStatus, "running") }

// otherCommit reports whether another commit was deployed than the one that was wanted.
func (o observation) otherCommit() bool {
	return o.wanted != "" && o.commit != "" && o.commit != o.wanted
}

// judge returns the judgement of the observation.
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

// name describes the deployed commit.
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

// silent says why the app does not answer.
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

// mayMend reports whether a later poll may find the app answering: a container takes some
// seconds to start, and a certificate to be issued.
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

// commitForm matches a whole commit id, as git shows it.
var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// whole returns a commit id if it is whole, else "": Coolify reports HEAD until it knows
// the commit.
func whole(commit string) string {
	if commitForm.MatchString(commit) {
		return commit
	}
	return ""
}

// short returns the first characters of a commit id, enough to identify it.
func short(commit string) string { return commit[:min(len(commit), 10)] }

// siteOf returns the root URL of the first domain in Coolify's comma-separated list; nil
// if there is none. It drops port and path: they are meant for Coolify's proxy, which
// listens on the usual ports.
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
