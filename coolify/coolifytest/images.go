package coolifytest

import (
	"net/http"
	"slices"
	"time"
)

// cleanUp is Coolify's clean-up of a server: every image that no container uses is
// removed, whoever's it is. Coolify keeps two of each application unless the server
// is set to keep none, as the simulated ones are. A caller holds s.mu.
func (s *Server) cleanUp(h *host) {
	for _, d := range s.builds {
		runs := d.app.container(s.cfg.Now())
		if d.host == h && (runs == nil || runs.commit != d.Commit) {
			d.imageGone = true
		}
	}
}

// cleansUp reports whether a request asks for [Server.cleanUp], as one does that
// does not say.
func (c *call) cleansUp() bool { return !c.has("docker_cleanup") || c.flag("docker_cleanup") }

// Images returns the tags of the images that an application's server still has of it,
// newest first. An unknown application panics.
func (s *Server) Images(appUUID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var tags []string
	for _, d := range s.images(must(s.app(appUUID), "application", appUUID)) {
		tags = append(tags, d.Commit)
	}
	return tags
}

// images returns for each image of an application the newest deployment that has it.
func (s *Server) images(a *app) []*deployment {
	var out []*deployment
	for _, d := range slices.Backward(s.builds) {
		twin := slices.ContainsFunc(out, func(o *deployment) bool { return o.Commit == d.Commit })
		if d.app == a && (d.Status == Finished || d.built) && !d.imageGone && !twin {
			out = append(out, d)
		}
	}
	return out
}

// findImage reports whether a rollback needs no build, and says so in the log. One
// to a commit that was never deployed finds nothing to build either.
func (s *Server) findImage(d *deployment, at time.Time) (found, known bool) {
	image := d.AppUUID + ":" + d.Commit
	found = slices.ContainsFunc(s.images(d.app), func(o *deployment) bool { return o.Commit == d.Commit })
	if found {
		d.say(at, "No build configuration changed & image found (%s) with the same Git Commit SHA. "+
			"Build step skipped.", image)
		return true, true
	}
	d.say(at, "Image not found (%s). Building new image.", image)
	known = slices.ContainsFunc(s.builds, func(o *deployment) bool {
		return o.app == d.app && o != d && o.Commit == d.Commit
	})
	return false, known
}

// rollbackImages are the images that the host still has, also those of deployments that
// failed after their build. Coolify never tells which one runs.
func (s *Server) rollbackImages(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	images := []object{}
	if !a.host.Unreachable {
		for _, d := range s.images(a) {
			images = append(images, object{
				"tag": d.Commit, "created_at": plainStamp(d.CreatedAt) + " +0000 UTC", "is_current": false,
			})
		}
	}
	out := reply(http.StatusOK, object{"current": nil, "images": images})
	c.ssh = true
	return out
}
