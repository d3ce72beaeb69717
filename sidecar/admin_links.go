package sidecar

import (
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// adminLink is a link in the one answer that shows it. A platform's front end sends
// its people to the settings page with one.
type adminLink struct {
	URL       string `json:"url"`
	UserID    string `json:"user_id,omitempty"` // whom it signs in
	Role      string `json:"role,omitempty"`    // what somebody becomes by it
	ExpiresAt string `json:"expires_at"`
}

func adminLoginLink(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	life := people.DefaultLinkLife
	if c.in.Minutes != nil {
		life = time.Duration(*c.in.Minutes) * time.Minute
	}
	l, token, err := c.op.LoginLink(c.Context(), w, c.in.UserID, tenancy.Role(c.in.Role), life)
	if err != nil {
		return nil, err
	}
	return adminLink{
		URL: LinkURL(c.cfg.PublicURL, token.Reveal()), UserID: l.UserID, Role: string(l.Role),
		ExpiresAt: l.ExpiresAt.UTC().Format(time.RFC3339),
	}, nil
}
