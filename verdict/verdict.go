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
	VerdictStillRunning Verdict = "still_running" // it has not ended, or it is not certain yet how
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
	had       bool                     // a version of the app was live before this deployment
	settling  bool                     // it ended so recently that the container's state may not be known
	appStatus string                   // for example "running:healthy"
	restarts  int                      // of the container after crashes
	stuck     bool                     // it has been in progress for over an hour
	url       string                   // the URL that was probed; empty = none
	unprobed  string                   // why no URL was probed
	seen      probe.Result
}

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
		if o.stuck {
			return VerdictStillRunning, stuckSays
		}
		return VerdictStillRunning, "the deployment is running"
	}
}

func (o observation) decideUndone(how string) (Verdict, string) {
	switch {
	case o.serves() && o.had:
		return VerdictStale, how + "; the version before it " + o.answers()
	case o.answered():
		return VerdictFailed, how + ", and none of this app was ever live: what " + o.answers() + " at its domain is not it"
	}
	return VerdictFailed, how + ", and " + o.silent()
}

func (o observation) decideFinished() (Verdict, string) {
	switch {
	case o.otherCommit():
		return VerdictStale, fmt.Sprintf("commit %s was deployed, but %s was wanted", short(o.commit), short(o.wanted))
	case o.answered():
		return VerdictLive, o.name() + " " + o.answers()
	case o.undecided():
		return VerdictStillRunning, o.name() + " was deployed, and it is not certain yet whether it runs; " + o.silent()
	case o.serves():
		return VerdictLive, o.name() + " " + o.answers()
	case o.url != "":
		return VerdictUnreachable, o.name() + " was deployed, but " + o.silent()
	case o.down() == "":
		return VerdictLive, o.name() + " runs; " + o.unprobed
	}
	return VerdictUnreachable, o.name() + " was deployed, but " + o.silent()
}

// name describes the deployed commit.
func (o observation) name() string {
	if o.commit == "" {
		return "a commit that Coolify does not name"
	}
	return "commit " + short(o.commit)
}

func (o observation) answers() string {
	switch {
	case o.doubtful():
		return fmt.Sprintf("answers %d at /, as the proxy itself does", o.seen.Status)
	case o.seen.Redirect != "":
		return fmt.Sprintf("answers %d and points to %s", o.seen.Status, untrusted.Clean(o.seen.Redirect))
	}
	return fmt.Sprintf("answers %d", o.seen.Status)
}

// silent says why the app does not answer.
func (o observation) silent() string {
	down := ""
	if !o.undecided() && o.appStatus != "" {
		down = o.down()
	}
	why := o.unprobed
	switch {
	case o.url == "":
	case o.doubtful():
		why = fmt.Sprintf("the domain answers %d, and so does the proxy itself", o.seen.Status)
	case o.seen.Status == http.StatusServiceUnavailable && down == "":
		why = "the domain answers 503, as when no container runs for it"
	case o.seen.Status > 0:
		why = fmt.Sprintf("the domain answers %d", o.seen.Status)
	default:
		why = "the domain does not answer: " + o.seen.Reason
	}
	if down != "" {
		return down + "; " + why
	}
	return why
}

// mayMend reports whether a later poll may find the app answering, or its container's
// state: a container takes some seconds to start, and a certificate to be issued.
func (o observation) mayMend() bool {
	if o.status != coolify.DeploymentFinished || o.otherCommit() || o.answered() {
		return false
	}
	switch o.seen.Problem {
	case probe.InvalidURL, probe.DNS, probe.RefusedAddress:
		return false
	default:
		return o.url != "" || o.down() != ""
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
