package sidecar

import (
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// adminLink is a link in the one answer that shows it. With it a platform's front end
// sends people to the settings page.
type adminLink struct {
	URL       string `json:"url"`
	UserID    string `json:"user_id,omitempty"` // the person whom it signs in
	Role      string `json:"role,omitempty"`    // the role that its user gets
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
