// Package oidctest runs a real OpenID provider for tests: zitadel's, with its own
// login page, and people that a test chooses.
package oidctest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// What this server is registered with, and the password of everybody.
const (
	ClientID     = "vibn"
	ClientSecret = "the client's secret"
	Password     = "a password"
)

// A Person can sign in.
type Person struct {
	ID       string // the subject
	Username string
	Email    string // as the person says
	Name     string
}

// Provider runs until the test ends and returns the issuer. redirect is where it
// may send people back to.
func Provider(t testing.TB, redirect string, people ...Person) (issuer string) {
	t.Helper()
	var handler http.Handler
	srv := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }),
	)
	t.Cleanup(srv.Close)
	users := directory{}
	for _, p := range people {
		users[p.ID] = &storage.User{
			ID: p.ID, Username: p.Username, Password: Password, FirstName: p.Name, Email: p.Email,
		}
	}
	clients := map[string]*storage.Client{ClientID: storage.WebClient(ClientID, ClientSecret, redirect)}
	handler = exampleop.SetupServer(
		srv.URL, storage.NewStorageWithClients(users, clients), slog.New(slog.DiscardHandler), false,
	)
	return srv.URL
}

// A directory has the people by their ids.
type directory map[string]*storage.User

// GetUserByID implements [storage.UserStore].
func (d directory) GetUserByID(id string) *storage.User { return d[id] }

// GetUserByUsername implements [storage.UserStore].
func (d directory) GetUserByUsername(name string) *storage.User {
	for _, u := range d {
		if u.Username == name {
			return u
		}
	}
	return nil
}

// ExampleClientID implements [storage.UserStore]. No service signs in here.
func (d directory) ExampleClientID() string { return "service" }
