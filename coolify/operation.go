package coolify

import "github.com/vibnai/vibn-mcp/upstream"

// An Operation is one kind of request, by its name in Coolify's published document. Logs,
// images, cancelling, and creating or deleting a destination are slow: they occupy one of
// Coolify's workers with SSH, for over a minute if the host does not answer.
type Operation = upstream.Operation

// A Meter is asked before every request, including retries.
type Meter = upstream.Meter
