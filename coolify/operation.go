package coolify

import "github.com/vibnai/vibn-mcp/upstream"

// An Operation is one kind of request, by the names of Coolify's published
// document. Logs, images, cancelling, and making or deleting a destination are
// slow: they keep one of Coolify's workers busy on SSH, for over a minute when
// the host does not answer.
type Operation = upstream.Operation

// A Meter is asked before every request that goes out, repeats included.
type Meter = upstream.Meter
