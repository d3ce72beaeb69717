package coolifytest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// A Failure is a way in which a deployment fails, for [App.FailAs].
type Failure string

// The failures. Each prints what Coolify 4.3.11 prints.
const (
	FailBuild      Failure = "build"       // a command of the Dockerfile
	FailStart      Failure = "start"       // the program that the image names is not in it
	FailHealth     Failure = "health"      // the health check never passes; the old container stays
	FailHealthNone Failure = "health none" // the Dockerfile says HEALTHCHECK NONE
	FailNetwork    Failure = "network"     // the destination's network is gone
	FailRegistry   Failure = "registry"    // an image cannot be pulled
	FailKey        Failure = "key"         // git's server does not take the deploy key
	FailSSH        Failure = "ssh"         // nobody listens on the port of git's server
	FailDisk       Failure = "disk"        // the host's disk is full

	failBranch = Failure("branch")
	failEnv    = Failure("env")
	failCommit = Failure("commit")
)

// failure returns how a deployment fails, "" if it does not, and what the command that
// fails prints.
func (s *Server) failure(d *deployment, known, image bool) (Failure, string) {
	a := d.app
	switch {
	case !known:
		return failCommit, "fatal: remote error: upload-pack: not our ref " + d.Commit
	case d.Commit == "HEAD":
		return failBranch, "Cloning into '/artifacts/" + d.UUID + "'...\nwarning: Could not find remote branch " +
			a.GitBranch + " to clone.\nfatal: Remote branch " + a.GitBranch + " not found in upstream origin"
	case a.Crash && a.HealthCheck:
		return FailHealth, ""
	case a.FailNext && !image:
		a.FailNext = false
		why := cmp.Or(a.FailAs, FailBuild)
		return why, s.failureOutput(d, why)
	}
	return "", ""
}

// failureOutput is what the command prints by which a deployment fails.
func (s *Server) failureOutput(d *deployment, why Failure) string {
	const daemon = "Error response from daemon: "
	container := d.AppUUID + "-015528001540"
	switch why { //nolint:exhaustive // the others print nothing, or are found out elsewhere
	case FailBuild:
		return buildOutput(s.resolvedRows(d.app, false),
			"1.204 npm error code 1\n1.204 npm error path /app\n1.204 npm error command failed",
			`process "/bin/sh -c npm run build" did not complete successfully: exit code: 1`)
	case FailStart:
		return " Container " + container + "  Starting\n" + daemon + "failed to create task for container: failed to create shim " +
			`task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nod": ` +
			"executable file not found in $PATH: unknown"
	case FailHealthNone:
		return `template parsing error: template: :1:13: executing "" at <.State.Health.Status>: map has no entry for ` +
			`key "Health"`
	case FailNetwork:
		return "network " + d.app.dest.Network + " declared as external, but could not be found"
	case FailRegistry:
		return daemon + `Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on ` +
			"127.0.0.53:53: no such host"
	case FailDisk:
		return "tee: /artifacts/.env: No space left on device"
	case FailKey:
		return "git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\n" +
			"Please make sure you have the correct access rights\nand the repository exists."
	case FailSSH:
		return "ssh: connect to host git.example.com port 22: Connection refused\nfatal: Could not read from remote " +
			"repository.\n\nPlease make sure you have the correct access rights\nand the repository exists."
	}
	return "" // FailHealth fails without a command that does
}

// buildOutput is what BuildKit prints of a build whose last step fails. The step prints
// the variables first, as a build that is looked at closely does.
func buildOutput(rows []Env, printed, why string) string {
	for _, e := range rows {
		if e.Value != "" {
			printed = "0.310 " + e.Key + "=" + e.Value + "\n" + printed
		}
	}
	step := "#6 [3/3] RUN npm run build\n#6 " + strings.ReplaceAll(printed, "\n", "\n#6 ") + "\n"
	return "#0 building with \"default\" instance using docker driver\n\n" +
		"#1 [internal] load build definition from Dockerfile\n#1 transferring dockerfile: 276B 0.1s done\n#1 DONE 0.1s\n\n" +
		"#4 [1/3] FROM docker.io/library/node:22\n#4 CACHED\n\n#5 [2/3] COPY . .\n#5 DONE 0.1s\n\n" +
		step + "#6 ERROR: " + why + "\n------\n > [3/3] RUN npm run build:\n" + printed + "\n------\n" +
		"Dockerfile:3\n--------------------\n   1 |     FROM node:22\n   2 |     COPY . .\n   3 | >>> RUN npm run build\n" +
		"   4 |     \n--------------------\nERROR: failed to solve: " + why
}

// A deployLog writes the entries of one deployment.
type deployLog struct {
	d    *deployment
	rows []Env
	at   time.Time
}

func (l deployLog) add(e LogLine) {
	e.At, e.Output = l.at, redactLocked(e.Output, l.rows)
	l.d.add(e)
}

func (l deployLog) say(lines ...string) {
	for _, line := range lines {
		l.add(LogLine{Output: line})
	}
}

// inside is a command as the helper container runs it.
func (l deployLog) inside(command string) string {
	return "docker exec " + l.d.UUID + " bash -c '" + command + "'"
}

const ruler = "----------------------------------------"

// logImport writes what comes before a build. known is false for a commit that cannot
// be built as it is nowhere, and image says that there is an image of it already.
func (s *Server) logImport(d *deployment, at time.Time) (known, image bool) {
	a := d.app
	l := deployLog{d, s.resolvedRows(a, false), at}
	from := a.GitRepository + ":" + a.GitBranch
	l.say("Preparing container with helper image: docker.io/coollabsio/coolify-helper:1.0.15")
	l.add(LogLine{
		Output:    "SSH connection failed. Retrying... (Attempt 1/3, waiting 2s)\nError: kex_exchange_identification",
		NoCommand: true,
	})
	l.say(ruler, fmt.Sprintf("Importing %s (commit sha %s) to /artifacts/%s.", from, d.Commit, d.UUID))
	l.add(LogLine{
		Output: "Cloning into '/artifacts/" + d.UUID + "'...", Command: l.inside("git clone " + a.GitRepository),
		Type: "stderr", Hidden: true,
	})
	if d.Message != "" {
		l.add(LogLine{Output: d.Message, Hidden: true})
	}
	if d.Rollback || d.RestartOnly {
		image, known = s.findImage(d, at)
		return known || d.RestartOnly, image
	}
	l.say(fmt.Sprintf("Image not found (%s:%s). Building new image.", d.AppUUID, d.Commit))
	return true, false
}

// logBuild writes the log of a build and of what follows, with everything in it that
// must not reach a tenant, in the places where Coolify has it. image says that nothing
// is built.
func (s *Server) logBuild(d *deployment, at time.Time, why Failure, output string, image bool) {
	l := deployLog{d, s.resolvedRows(d.app, false), at}
	switch why { //nolint:exhaustive // the others come later
	case failBranch, failCommit, FailKey, FailSSH:
		l.fail("git clone "+d.app.GitRepository, output, "")
		return
	case FailRegistry:
		l.say(ruler, "Static deployment. Copying static assets to the image.",
			"Pulling latest image (nginx:alpine) from the registry.")
		l.fail("docker pull nginx:alpine", output, "")
		return
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(dotEnv(d.app.App, l.rows)))
	write := "echo '" + encoded + "' | base64 -d | tee /artifacts/.env > /dev/null"
	if why == FailDisk {
		l.fail(write, output, "")
		return
	}
	l.add(LogLine{Output: "tee: warning", Type: "stderr", Hidden: true, Command: l.inside(write)})
	if !image {
		l.add(LogLine{Output: d.app.Files["Dockerfile"], Hidden: true})
		l.say(ruler, "Building docker image started.", "To check the current progress, click on Show Debug Logs.")
		for _, e := range l.rows {
			if e.Value != "" {
				l.add(LogLine{Output: "#6 0.310 " + e.Key + "=" + e.Value, Type: "stderr", Hidden: true})
			}
		}
		if output != "" {
			l.add(LogLine{Output: output, Command: l.inside("bash /artifacts/build.sh"), Hidden: true})
		}
		if why == FailBuild {
			l.fail("bash /artifacts/build.sh", output, "")
			return
		}
		l.say("Building docker image completed.")
		d.built = true
	}
	l.add(LogLine{Output: "Creating .env file with runtime variables for container.", Hidden: true})
	l.say(ruler, "Rolling update started.")
	l.roll(why, output)
}

const (
	exception    = ` (App\Exceptions\DeploymentException): `
	startFailed  = "Rolling update failed" + exception + "Failed to start container: "
	healthFailed = "Rolling update failed" + exception + "Health check failed" + exception
)

// roll writes the change of the containers.
func (l deployLog) roll(why Failure, output string) {
	switch why { //nolint:exhaustive // the others came before
	case FailStart, FailNetwork, failEnv:
		l.fail(
			"SOURCE_COMMIT="+l.d.Commit+" docker compose --project-name "+l.d.AppUUID+" up --build -d", output, startFailed,
		)
		return
	}
	l.add(LogLine{Output: "Container " + l.d.AppUUID + "-015528001540  Started", Type: "stderr", Hidden: true})
	l.say("New container started.")
	switch why { //nolint:exhaustive // likewise
	case FailHealthNone:
		l.say("Custom healthcheck found in Dockerfile.", waitHealth, waitStart)
		l.fail("docker inspect --format={{json .State.Health.Status}} "+l.d.AppUUID, output, healthFailed)
		return
	case FailHealth:
		l.unhealthy()
		return
	}
	if l.d.app.HealthCheck {
		l.say(waitHealth, healthURL, waitStart, `Attempt 1 of 3 | Healthcheck status: "healthy"`, "New container is healthy.")
	}
	l.say("Removing old containers.", "Rolling update completed.", "Gracefully shutting down build container: "+l.d.UUID)
}

const (
	waitHealth = "Waiting for healthcheck to pass on the new container."
	waitStart  = "Waiting for the start period (5 seconds) before starting healthcheck."
	healthURL  = "Healthcheck URL (inside the container): GET: http://localhost:3000/"
)

// unhealthy writes a health check that fails: the log has no line that says that the
// deployment did.
func (l deployLog) unhealthy() {
	const checked = "Healthcheck logs: /bin/sh: curl: not found\nwget: server returned error: HTTP/1.1 404 Not Found\n" +
		" | Return code: 1"
	l.say(waitHealth, healthURL, waitStart, `Attempt 1 of 3 | Healthcheck status: "starting"`, checked,
		`Attempt 2 of 3 | Healthcheck status: "unhealthy"`, checked)
	l.add(LogLine{Output: "New container is unhealthy.", Type: "stderr"})
	l.say(ruler, "Container logs:")
	l.add(LogLine{Output: l.d.app.Logs, Type: "stderr"})
	l.say(ruler, "Removing old containers.", ruler,
		"WARNING: Dockerfile or Docker Image based deployment detected. The healthcheck needs a curl or wget command to "+
			"check the health of the application. Please make sure that it is available in the image or turn off "+
			"healthcheck on Coolify's UI.",
		ruler, "New container is not healthy, rolling back to the old container.")
}

// fail writes the end of a deployment by a command that failed, which Coolify shows with
// all of its output.
func (l deployLog) fail(command, output, where string) {
	const bar = "========================================"
	stderr := func(hidden bool, lines ...string) {
		for _, line := range lines {
			l.add(LogLine{Output: line, Type: "stderr", Hidden: hidden})
		}
	}
	where += "Command execution failed (exit code 1): " + l.inside(command) + "\nError: "
	stderr(false, bar, "Deployment failed: "+where+output)
	stderr(true, `Error type: App\Exceptions\DeploymentException`, "Error code: 0",
		"Location: /app/app/Jobs/ApplicationDeploymentJob.php:1981")
	stderr(false, bar, "Deployment failed. Removing the new version of your application.")
	stderr(true, "Error response from daemon: No such container: "+l.d.AppUUID+"-015528001540")
	l.say("Gracefully shutting down build container: " + l.d.UUID)
}
