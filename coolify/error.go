package coolify

import (
	"errors"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// These are the kinds of failure, for [errors.Is].
var (
	ErrNotFound       = upstream.ErrNotFound                           // 404 of an object, also of another team's
	ErrRouteMissing   = upstream.ErrRouteMissing                       // 404 or 405 of a path
	ErrUnauthorized   = upstream.ErrUnauthorized                       // 401
	ErrForbidden      = upstream.ErrForbidden                          // 403; also API off, address not allowed
	ErrConflict       = upstream.ErrConflict                           // 409
	ErrInvalid        = upstream.ErrInvalid                            // 400, 413, 422, or refused by this package
	ErrRateLimited    = upstream.ErrRateLimited                        // 429
	ErrUnavailable    = upstream.ErrUnavailable                        // no answer, or one that is not from Coolify
	ErrTimeout        = upstream.ErrTimeout                            // no answer in time
	ErrNotRunning     = errors.New("the application is not running")   // [AppClient.Logs]
	ErrNotCancellable = errors.New("the deployment has ended already") // [DeploymentClient.Cancel]
	ErrInUse          = errors.New("it is in use")                     // [KeyClient.Delete], [DestinationClient.Delete]
	ErrQueueFull      = errors.New("too many deployments are queued")  // [AppClient.Rollback]
	ErrBrokenLog      = errors.New("the log is not what it should be") // [SensitiveDeployment.Logs]
	ErrUnmetered      = upstream.ErrUnmetered                          // a programming error; nothing was sent
)

// These are the causes of an [ErrForbidden], as far as Coolify's text reveals them. They
// are hints, because the text may change.
var (
	ErrAbility    = errors.New("the token lacks an ability")
	ErrRole       = errors.New("the token's user is not an admin of the team")
	ErrAPIOff     = errors.New("the API is switched off")
	ErrNotAllowed = errors.New("the API lets in certain addresses only")
)

// causes maps the beginnings of Coolify's messages to causes.
var causes = []struct {
	words string
	cause error
}{
	{"Missing required permissions", ErrAbility},
	{"Missing required team role", ErrRole},
	{"API is disabled", ErrAPIOff},
	{"You are not allowed to access the API", ErrNotAllowed},
}

// An Error is a failed call. It contains no credential and no value of a variable.
type Error = upstream.Error

// refusal reads only Coolify's own answers. A proxy in front of a stopped Coolify also
// answers 404, which proves nothing about an object.
func refusal(a *upstream.Answer) upstream.Refusal {
	said := readEnvelope(a.Body)
	kind := upstream.KindOf(a.Status, said.Message != nil)
	if errors.Is(kind, ErrNotFound) && said.Docs != nil {
		kind = ErrRouteMissing
	}
	if errors.Is(kind, ErrInvalid) && said.Message != nil && *said.Message == "Private key already exists." {
		kind = ErrConflict // Coolify sends it with a 422
	}
	return upstream.Refusal{Kind: kind, Cause: said.cause(kind), Said: said.String()}
}

func (e envelope) cause(kind error) error {
	if !errors.Is(kind, ErrForbidden) || e.Message == nil {
		return nil
	}
	for _, c := range causes {
		if strings.HasPrefix(string(*e.Message), c.words) {
			return c.cause
		}
	}
	return nil
}
