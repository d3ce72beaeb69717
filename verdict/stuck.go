package verdict

import (
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
)

// stuckAfter is how long after it was requested a deployment that runs is stuck: Coolify
// itself gives no deployment up.
const stuckAfter = time.Hour

// stuckSays is how a deployment that is stuck is named.
const stuckSays = "the deployment has been in progress for over an hour, so it is probably stuck"

// isStuck reports whether a deployment has been in progress for over an hour.
func isStuck(d coolify.Deployment, now time.Time) bool {
	return d.Status == coolify.DeploymentInProgress && !d.CreatedAt.IsZero() && now.Sub(d.CreatedAt) > stuckAfter
}
