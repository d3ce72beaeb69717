package giteatest

import (
	"testing"
)

// Keys that open nothing anywhere.
const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEYv3xYxLn7YMXYek7uKQX+juz0O1o7BRtJMH4Tv2IfP"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1oTnPc8GYb1LdtleQqqrZZlkI98MQynppQ5n8RBnLH"
	keyC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPYhru3PsjbcxXUE3K/3xX4jaagmVgv1VMnpH6T3XiM9"
)

func TestSSH(t *testing.T) {
	s := newSim(t, Config{})
	const app = "vibn-acme/app"
	s.do("POST", "/repos/vibn-acme/app/keys", `{"title":"ro","key":"`+keyA+` comment","read_only":true}`).ok(201).
		field("key", keyA).field("fingerprint", "SHA256:LN2AlFqGAvpRpzPVPc1K0HdR74s3dpyecpfrpg+ssZE")
	s.AddDeployKey(app, DeployKey{Title: "rw", Key: keyB})
	s.AddSSHKey("vibn-bot-acme", "mine", keyC)
	for _, tc := range []struct {
		key, repo   string
		fetch, push bool
	}{
		{keyA, app, true, false},
		{keyB + " root@vm", app, true, true},
		{keyC, app, true, true},
		{keyA, "vibn-other/app", false, false},
		{keyC, "vibn-other/app", false, false},
		{"ssh-ed25519 AAAA", app, false, false},
		{keyC, "vibn-acme/nope", false, false},
	} {
		if err := s.SSHFetch(tc.key, tc.repo); (err == nil) != tc.fetch {
			t.Errorf("fetch of %s with %.40s: %v", tc.repo, tc.key, err)
		}
		if err := s.SSHPush(tc.key, tc.repo); (err == nil) != tc.push {
			t.Errorf("push to %s with %.40s: %v", tc.repo, tc.key, err)
		}
	}
	s.do("PATCH", "/admin/users/vibn-bot-acme", `{"login_name":"x","prohibit_login":true}`).ok(200)
	if s.SSHPush(keyC, app) == nil || s.SSHPush(keyB, app) != nil {
		t.Error("prohibit_login must stop the bot's key and leave the deploy key alone")
	}
	s.SetRepo(app, func(r *Repo) { r.Archived = true })
	if s.SSHPush(keyB, app) == nil || s.SSHFetch(keyB, app) != nil {
		t.Error("an archived repository can be fetched and not pushed to")
	}
}

func TestDeployKeys(t *testing.T) {
	s := newSim(t, Config{})
	path := "/repos/vibn-acme/app/keys"
	id := s.do("POST", path, `{"title":"k","key":"`+keyA+`"}`).ok(201).field("read_only", false).id()
	s.do("POST", path, `{"title":"k2","key":"`+keyA+`"}`).says(422, "already been added")
	s.do("POST", path, `{"title":"k","key":"`+keyB+`"}`).says(422, "same name")
	s.do("POST", "/repos/vibn-other/app/keys", `{"title":"k","key":"`+keyA+`"}`).ok(201).field("key_id", 1.0)
	s.do("POST", "/admin/users/vibn-bot-acme/keys", `{"title":"k","key":"`+keyA+`"}`).says(422, "non-deploy key")
	s.AddSSHKey("vibn-bot-acme", "mine", keyC)
	s.do("POST", path, `{"title":"c","key":"`+keyC+`"}`).says(422, "non-deploy key")
	if got := s.do("GET", "/users/vibn-bot-acme/keys?page=1", "").ok(200).names("title"); len(got) != 1 ||
		got[0] != "mine" {
		t.Errorf("keys of the bot = %v, want its one", got)
	}
	if got := s.do("GET", path+"?page=1&fingerprint=x", "").ok(200).list(); len(got) != 0 {
		t.Errorf("keys of another fingerprint = %v, want none", got)
	}
	s.bot("acme", "write:repository").do("GET", path+"?page=1", "").ok(403)
	s.do("DELETE", path+"/999", "").ok(204) // as if it had been there
	s.do("DELETE", path+"/"+itoa(id), "").ok(204)
	s.do("GET", path+"/"+itoa(id), "").ok(404)
}

// TestWhatOutlivesATokenCanBeTakenAway: keys and applications of a bot.
func TestWhatOutlivesATokenCanBeTakenAway(t *testing.T) {
	s := newSim(t, Config{})
	bot := s.bot("acme", "write:user")
	first := bot.do("POST", "/user/keys", `{"title":"a","key":"`+keyA+`"}`).ok(201).id()
	second := s.do("POST", "/admin/users/vibn-bot-acme/keys", `{"title":"b","key":"`+keyB+`"}`).ok(201).id()
	app := bot.do("POST", "/user/applications/oauth2", `{"name":"evil"}`).ok(201).id()
	bot.do("POST", "/user/applications/oauth2", `{}`).ok(422)
	s.do("DELETE", "/admin/users/vibn-bot-acme/keys/"+itoa(first), "").ok(204)
	s.do("DELETE", "/admin/users/vibn-bot-acme/keys/"+itoa(first), "").ok(404)
	bot.do("DELETE", "/user/keys/"+itoa(second), "").ok(204)
	if got := s.do("GET", "/user/applications/oauth2?page=1", "", "Sudo",
		"vibn-bot-acme").names("name"); len(got) != 1 || got[0] != "evil" {
		t.Errorf("applications = %v, want the one", got)
	}
	s.do("DELETE", "/user/applications/oauth2/"+itoa(app), "", "Sudo", "vibn-bot-acme").ok(204)
	s.do("DELETE", "/user/applications/oauth2/"+itoa(app), "", "Sudo", "vibn-bot-acme").ok(404)
	for _, u := range s.Snapshot().Users {
		if len(u.Keys)+len(u.OAuthApps) > 0 {
			t.Errorf("%s still has keys or applications: %+v", u.Login, u)
		}
	}
}
