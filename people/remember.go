package people

import (
	"strconv"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// RememberedFor is how long a browser is known as one with which somebody signed in.
const RememberedFor = 90 * 24 * time.Hour

// knownPlace is where what [Accounts.Remember] returns is sealed for.
var knownPlace = secret.Place{Table: "cookie", Column: "known"}

// Remember returns what a browser may show later, to be known as one with which somebody
// signed in. It holds when, and nothing about the person.
func (a *Accounts) Remember() (string, error) {
	g := outside(a.guard)
	return g.Box().Seal(secret.NewText(strconv.FormatInt(g.Now().Unix(), 10)), knownPlace)
}

// Remembers reports whether Remember returned this, not more than [RememberedFor] ago.
func (a *Accounts) Remembers(known string) bool {
	g := outside(a.guard)
	raw, err := g.Box().Open(known, knownPlace)
	if err != nil {
		return false
	}
	at, err := strconv.ParseInt(raw.Reveal(), 10, 64)
	return err == nil && g.Now().Sub(time.Unix(at, 0)) < RememberedFor
}
