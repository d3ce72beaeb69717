package hosting

import (
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// An AppVersion is a version of an app that was deployed and judged.
type AppVersion struct {
	Commit     string // whole
	Deployment string // uuid on Coolify of the deployment that was judged last
	Live       bool   // it ran and answered
	At         time.Time
}

// A KeptLog is the end of the log of an app that crashes.
type KeptLog struct {
	ID     string // new each time
	App    string // uuid on Coolify
	Sealed string // at [CrashLogPlace]; not scrubbed
	At     time.Time
}

// A KeptValue is a value that a variable of an app has, or had until it was replaced or
// deleted. Logs do not show it.
type KeptValue struct {
	ID      string
	Preview bool   // of preview deployments
	Sealed  string // "name=value" at [EnvValuePlace]; somebody may have typed a secret for the name
	At      time.Time
	Ended   *time.Time // when another value, or none, took its place; nil = not as far as is known
}

// EnvValuePlace returns where the value of a variable is sealed.
func EnvValuePlace(id string) secret.Place {
	return secret.Place{Table: "vibn_env_values", Column: "value_encrypted", Row: id}
}

// CrashLogPlace returns where the end of the log of an app that crashes is sealed.
func CrashLogPlace(id string) secret.Place {
	return secret.Place{Table: "vibn_crash_logs", Column: "log_encrypted", Row: id}
}
