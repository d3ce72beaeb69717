package sidecar

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
)

// A Provider is an OpenID provider with which people sign in.
type Provider struct {
	Issuer       *url.URL
	ClientID     string
	ClientSecret secret.Text
	Name         string // on the button: "Sign in with …"
	// IsGitea says that the provider is the platform's own Gitea. Then a subject is the
	// id of an account there.
	IsGitea bool
}

const (
	providerTime  = 10 * time.Second
	providerRetry = 3 * time.Second // between attempts at discovery
)

// A provider is a Provider that is discovered when first needed, so that the server can
// start while the provider is down.
type provider struct {
	Provider
	redirect string
	client   *http.Client

	mu    sync.Mutex
	found *discovered
	tried time.Time
	err   error
}

type discovered struct {
	provider *oidc.Provider
	oauth    *oauth2.Config
	verifier *oidc.IDTokenVerifier
}

func newProvider(p Provider, public *url.URL) *provider {
	return &provider{
		Provider: p, redirect: public.JoinPath("login", "callback").String(),
		client: &http.Client{Timeout: providerTime},
	}
}

// discover fetches the provider's discovery document, once. Older Gitea versions write
// their issuer with a trailing slash, newer ones without; discover tries both.
func (p *provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if time.Since(p.tried) < providerRetry {
		return nil, p.err
	}
	// The provider keeps this context for its lifetime.
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), p.client)
	issuer := strings.TrimRight(p.Issuer.String(), "/")
	found, err := oidc.NewProvider(lasting, issuer)
	if err != nil {
		var other error
		if found, other = oidc.NewProvider(lasting, issuer+"/"); other != nil {
			p.tried, p.err = time.Now(), fmt.Errorf("ask the provider where it is: %w", err)
			return nil, p.err
		}
	}
	p.found = &discovered{
		provider: found,
		oauth: &oauth2.Config{
			ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), Endpoint: found.Endpoint(),
			RedirectURL: p.redirect,
			Scopes:      p.scopes(),
		},
		verifier: found.Verifier(&oidc.Config{ClientID: p.ClientID}),
	}
	return p.found, nil
}

// scopes returns the scopes to request. A Gitea token without any of Gitea's own scopes
// may do everything that its user may, so for Gitea it includes a narrow one.
func (p *provider) scopes() []string {
	scopes := []string{oidc.ScopeOpenID, "profile", "email"}
	if p.IsGitea {
		scopes = append(scopes, "read:user")
	}
	return scopes
}

// A ceremony is a sign-in that has been started at the provider.
type ceremony struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
	Next     string `json:"next"`     // local path to go to afterwards
	Connect  bool   `json:"connect"`  // connects the provider's account to the signed-in person
	Begun    int64  `json:"begun"`    // Unix time
}

// ceremonyLife is how long a sign-in at the provider may take.
const ceremonyLife = 15 * time.Minute

const heldCeremony = "ceremony"

// begin returns the provider's address to redirect to. again asks the provider to
// authenticate the person anew, even if it remembers them.
func (p *provider) begin(
	ctx context.Context, next string, connect, again bool,
) (address string, c ceremony, err error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", ceremony{}, err
	}
	c = ceremony{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Connect: connect,
		Begun: time.Now().Unix(),
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(c.Nonce), oauth2.S256ChallengeOption(c.Verifier)}
	if again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return found.oauth.AuthCodeURL(c.State, options...), c, nil
}

func (c ceremony) String() string {
	raw, err := json.Marshal(c)
	if err != nil { // strings, a bool and a number always encode
		return ""
	}
	return string(raw)
}

func parseCeremony(s string) (ceremony, bool) {
	var c ceremony
	err := json.Unmarshal([]byte(s), &c)
	return c, err == nil && c.State != "" && time.Since(time.Unix(c.Begun, 0)) < ceremonyLife
}

var errProof = errors.New("the provider's answer does not identify a person")

// finish exchanges the provider's code for a proof of the person's identity. It discards
// the access token.
func (p *provider) finish(ctx context.Context, c ceremony, code string) (people.Identity, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return people.Identity{}, err
	}
	token, err := found.oauth.Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(c.Verifier))
	if err != nil {
		return people.Identity{}, fmt.Errorf("trade the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return people.Identity{}, errProof
	}
	proof, err := found.verifier.Verify(oidc.ClientContext(ctx, p.client), raw)
	if err != nil {
		return people.Identity{}, fmt.Errorf("%w: %w", errProof, err)
	}
	if c.Nonce == "" || proof.Nonce != c.Nonce {
		return people.Identity{}, fmt.Errorf("%w: it is for another sign-in", errProof)
	}
	var says claims
	if err := proof.Claims(&says); err != nil {
		return people.Identity{}, fmt.Errorf("%w: %w", errProof, err)
	}
	if says == (claims{}) {
		says = p.ask(ctx, found, token, proof.Subject)
	}
	return p.identity(proof, says)
}

// claims are what a provider says of a person, for display only: no decision depends on
// it.
type claims struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
}

// ask fetches the claims that many providers leave out of the proof. The proof has
// already established the identity, so ask returns no claims if the answer fails or is
// about another person.
func (p *provider) ask(ctx context.Context, found *discovered, token *oauth2.Token, subject string) (c claims) {
	info, err := found.provider.UserInfo(oidc.ClientContext(ctx, p.client), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != subject || info.Claims(&c) != nil {
		return claims{}
	}
	return c
}

func (p *provider) identity(proof *oidc.IDToken, says claims) (people.Identity, error) {
	id := people.Identity{
		Issuer: strings.TrimRight(proof.Issuer, "/"), Subject: proof.Subject, Email: says.Email,
		DisplayName: cmp.Or(says.Name, says.Username),
	}
	if p.IsGitea {
		n, err := strconv.ParseInt(proof.Subject, 10, 64)
		if err != nil || n <= 0 {
			return people.Identity{}, fmt.Errorf("%w: the subject is no id of Gitea's", errProof)
		}
		id.GiteaUserID = n
	}
	return id, nil
}
