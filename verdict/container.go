package verdict

import (
	"fmt"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
)

// isUp reports whether Coolify says that a container of the app runs. A container that is
// starting, and one of a rolling update that is still going on, count.
func (o observation) isUp() bool {
	switch state, _, _ := strings.Cut(o.appStatus, ":"); state {
	case "running", "starting", "degraded":
		return true
	}
	return false
}

// crashes reports whether the app's container ended by itself since the last deployment
// that finished, at least once.
func (o observation) crashes() bool { return o.restarts > 0 }

// down says why no container of the app answers; "" if Coolify says that one runs and
// never ended by itself.
func (o observation) down() string {
	state, health, _ := strings.Cut(o.appStatus, ":")
	switch {
	case o.crashes() && state == "exited":
		return fmt.Sprintf("its container crashed %s, so Coolify stopped it", times(o.restarts))
	case o.crashes():
		return fmt.Sprintf("its container crashes: it was restarted %s", times(o.restarts))
	case state == "restarting":
		return "its container does not stay up: it is restarting"
	case !o.isUp():
		return "no container of it runs"
	case state == "running" && health == "unhealthy":
		return "its health check fails"
	}
	return ""
}

// Down says why no container of an app answers, in the words of a verdict; "" if Coolify
// says that one runs and never ended by itself.
func Down(a hosting.AppInfo) string {
	return observation{appStatus: a.Status.Raw(), restarts: a.Restarts}.down()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// answered reports whether the app surely answers a visitor. A redirect and "not found"
// count, unless the same address answers so for a name that cannot exist.
func (o observation) answered() bool { return o.seen.Answered() && !o.seen.AsProxy }

// doubtful reports whether what answers may be the proxy instead of the app. Then the
// state of the container decides.
func (o observation) doubtful() bool { return o.seen.Answered() && o.seen.AsProxy }

// serves reports whether a version of the app answers, as far as can be known.
func (o observation) serves() bool { return o.answered() || o.doubtful() && o.down() == "" }

// undecided reports whether it is too early to decide by the container's state, which
// Coolify notices late: its last word may be of the version before.
func (o observation) undecided() bool {
	return o.status == coolify.DeploymentFinished && o.settling && !o.crashes() && (o.doubtful() || o.url == "" && !o.isUp())
}
