package verdict

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A knownCause is a frequent problem and the log line that reveals it.
type knownCause struct {
	says        *regexp.Regexp
	group       string // of several causes of a group, only the first is named; "" = always
	cause, next string
}

const onlyOperator = "only the platform's operator can fix this"

// The groups: what is wrong with a connection shows in several lines, of which the first
// cause that matches names it best; so does a file that is missing.
const (
	connecting = "connecting"
	files      = "files"
)

var knownCauses = []knownCause{
	{
		says: regexp.MustCompile(`failed to read \S*\.env: `),
		cause: "the value of a variable that was not set here cannot be read from Coolify's .env file, so no " +
			"deployment " +
			"starts",
		next: "set it again with envs_upsert, which writes it so that it can be read; Coolify does not say " +
			"which one it is",
	},
	{
		says: regexp.MustCompile(`State\.Health\.Status.*map has no entry for key "Health"`),
		cause: "its Dockerfile says HEALTHCHECK NONE, which Coolify takes for a health check, and then finds " +
			"no state " +
			"of it",
		next: "take HEALTHCHECK NONE out of the Dockerfile and push",
	},
	{
		says:  regexp.MustCompile(`^New container is unhealthy\.|^New container is not healthy, rolling back`),
		cause: "its health check fails on the new container, so the old one was kept",
		next: "make the app answer the health check that the log shows, then push; deployments_logs shows " +
			"what the check printed",
	},
	{
		says:  regexp.MustCompile(`network \S+ (declared as external, but could not be )?(not )?found`),
		cause: "the Docker network of the workspace is gone", next: onlyOperator,
	},
	{
		says:  regexp.MustCompile(`(?i)remote branch .* not found|couldn't find remote ref`),
		cause: "the repository has no such branch", next: "push the branch, or set an existing one with apps_update",
		group: connecting,
	},
	{
		says: regexp.MustCompile(
			`(?i)ssh: connect to host \S+ port \d+:|ssh: could not resolve hostname|connection closed by .* port \d+`,
		),
		cause: "Coolify cannot connect to the SSH port of the git server", next: onlyOperator, group: connecting,
	},
	{
		says: regexp.MustCompile(
			`(?i)permission denied \(publickey|could not read from remote repository|host key verification failed`,
		),
		cause: "Coolify may not read the repository", next: onlyOperator + ": its deploy key is missing or no " +
			"longer accepted",
		group: connecting,
	},
	{
		says: regexp.MustCompile(
			`(?i)registry-1\.docker\.io|toomanyrequests|pull access denied|error response from daemon: (get|head) "https?://`,
		),
		cause: "an image cannot be pulled from its registry",
		next: "check the name of the image in the Dockerfile; if it is right, the platform's operator can see to the " +
			"registry",
		group: connecting,
	},
	{
		says:  regexp.MustCompile(`(?i)^(Error: )?#\d+ ERROR: \S+: not found|failed to solve: \S+: .*not found|manifest unknown`),
		cause: "the image that the Dockerfile begins with does not exist, or cannot be pulled",
		next:  "check the name in its FROM line and push", group: connecting,
	},
	{
		says: regexp.MustCompile(
			`(?i)failed to read dockerfile|cannot (find|locate).*dockerfile|dockerfile.*(no such file|not found)`,
		),
		cause: "there is no Dockerfile where the app looks for one",
		next:  "push a Dockerfile, or apps_update with base_directory", group: files,
	},
	{
		says:  regexp.MustCompile(`(?i)exec: ".*": (executable file not found|stat .*no such file|permission denied)|exec format error`),
		cause: "the program that its image starts with is not in the image, or cannot be run",
		next:  "correct CMD or ENTRYPOINT of the Dockerfile and push", group: files,
	},
	{
		says:  regexp.MustCompile(`(?i)no space left on device`),
		cause: "the host's disk is full", next: onlyOperator,
	},
	{
		says:  regexp.MustCompile(`(?i)out of memory|oomkilled|heap limit|exit code:? 137\b|^(\S+ )?killed\.?$`),
		cause: "it ran out of memory", next: "let it use less, or ask the platform's operator for a larger plan",
	},
	{
		says: regexp.MustCompile(
			`(?i)could not resolve dependenc|no matching (version|distribution)|cannot find (module|package)|modulenotfounderror|no module named|npm (err!|error)`,
		),
		cause: "a dependency is missing, or could not be installed", next: "fix it in the repository and push",
	},
	{
		says: regexp.MustCompile(
			`(?i)econnrefused|connection refused|enotfound|getaddrinfo|could not connect to`,
		),
		cause: "it cannot reach something that it connects to, such as a database",
		next: "check its address: databases_list shows the databases, envs_list the app's " +
			"variables", group: connecting,
	},
}

// causes returns the likely causes, likeliest first: causes that a log states come before
// inferred ones.
func (f findings) causes() []Cause {
	causes := []Cause{}
	add := func(cause, evident, next string) { causes = append(causes, Cause{cause, evidence(evident), next}) }
	if len(f.mentions) > 0 {
		var names []string
		for _, m := range f.mentions {
			names = append(names, m.name)
		}
		add(
			"variables that it needs are not set: "+strings.Join(names, ", "), f.mentions[0].line,
			"envs_upsert sets them; apps_deploy afterwards",
		)
	}
	named := map[string]bool{}
	for _, t := range knownCauses {
		if i := slices.IndexFunc(f.log, t.says.MatchString); i >= 0 && !named[t.group] {
			add(t.cause, f.log[i], t.next)
			named[t.group] = t.group != ""
		}
	}
	f.deployTrouble(add)
	f.containerTrouble(add)
	f.siteTrouble(add)
	f.pushTrouble(add)
	return causes[:min(len(causes), maxCauses)]
}

func (f findings) deployTrouble(add func(cause, evident, next string)) {
	switch {
	case len(f.deployments) == 0:
		add("it was never deployed", "", "push to its branch, or apps_deploy")
	case f.failed():
		cause := "the last deployment failed"
		if buildErrorAt(f.log) >= 0 {
			cause += ": a step of its build"
		}
		add(cause, firstErrorIn(f.log), "deployments_logs with deployment "+f.deployments[0].UUID.String())
	case isStuck(f.deployments[0].Deployment, f.now):
		add(
			stuckSays, "since "+f.deployments[0].CreatedAt.Format(tenancy.TimeFormat),
			"deployments_cancel with deployment "+f.deployments[0].UUID.String()+", then apps_deploy",
		)
	case !f.deployments[0].Status.Terminal():
		add("a deployment is in progress", "", "deployments_wait with deployment "+f.deployments[0].UUID.String())
	}
}

func (f findings) containerTrouble(add func(cause, evident, next string)) {
	state, _, _ := strings.Cut(f.app.Status, ":")
	down := f.site.down()
	switch {
	case down == "" || len(f.deployments) == 0 && !f.site.crashes() && !f.site.isUp():
	case f.site.crashes():
		line := firstErrorIn(f.log)
		if line == "" && len(f.log) > 0 {
			line = f.log[len(f.log)-1]
		}
		add(down, line, "apps_logs shows what it printed last; fix that and push")
		if memory := f.app.Limits.Memory; memory != "" && memory != "0" && firstErrorIn(f.log) == "" {
			add(
				"it may need more memory than it may use: then it is killed, and its log does not say so",
				"its limit is "+memory, "let it use less, or ask the platform's operator for a larger plan",
			)
		}
	case state == "running":
		add(down, "status "+f.app.Status, "apps_logs shows what it prints")
	case state == "exited" && !f.failed():
		add(
			"it was stopped, or ends by itself", "status "+f.app.Status,
			"apps_control with action start; deployments_logs if it was never up",
		)
	case state != "exited":
		add(down, firstErrorIn(f.log), "apps_logs shows what it prints")
	}
}

func (f findings) siteTrouble(add func(cause, evident, next string)) {
	seen, site := f.site.seen, f.site.url
	switch {
	case site == "" && strings.HasPrefix(f.app.Status, "running"):
		add("no visitor can reach it: "+f.site.unprobed, "", "domains_set gives it a domain")
	case f.newDomain:
		add(
			"its domain was set after its last deployment, so the proxy does not know it", site,
			"apps_deploy brings it into effect",
		)
	case site == "", f.site.serves(), f.site.doubtful():
	case seen.Problem == probe.DNS:
		add(
			"its domain has no DNS record", site+": "+seen.Reason,
			"domains_list says which DNS record to set; DNS changes can take a while",
		)
	case seen.Problem == probe.RefusedAddress:
		add(
			"its domain points to an address that is not public", site,
			"set the DNS record to the host's public address; the platform's operator can allow others",
		)
	case seen.Problem == probe.BadCertificate:
		add(
			"its certificate is not valid", site+": "+seen.Reason,
			"point the domain to the host; the new certificate takes a minute, then call apps_diagnose again",
		)
	case seen.Problem != "":
		add(
			"nothing answers at its domain", site+": "+seen.Reason,
			"domains_list says where the domain must point; if it does, ask the platform's operator to check the host",
		)
	case seen.Status == 503 && f.site.down() != "" && len(f.deployments) > 0: // it is said why
	case seen.Status == 503:
		add(
			"the proxy has no running container for its domain", site+" answers 503",
			"apps_deploy: a new domain takes effect with a deployment",
		)
	case f.portFaulty() && len(f.exposed) > 0 && !slices.Contains(f.exposed, f.app.PortsExposes):
		add(
			"its port is "+f.app.PortsExposes+", and its Dockerfile exposes "+strings.Join(f.exposed, ", "),
			fmt.Sprintf("%s answers %d", site, seen.Status),
			"apps_update with port "+f.exposed[0]+", then apps_deploy; or listen on "+f.app.PortsExposes,
		)
	case f.portFaulty() && f.site.crashes(): // nobody listens as nothing runs
	case f.portFaulty():
		add(
			"it does not listen on its port, or only on localhost",
			fmt.Sprintf("%s answers %d; the port is %s", site, seen.Status, f.app.PortsExposes),
			"listen on 0.0.0.0 and that port, or apps_update with port",
		)
	default:
		add(
			"the app itself answers with an error", fmt.Sprintf("%s answers %d", site, seen.Status),
			"apps_logs shows what it prints",
		)
	}
	if c := seen.Certificate; c != nil && seen.Problem == "" && c.Ends.Sub(f.now) < endsSoon {
		add(
			"its certificate ends soon and was not renewed", "it ends "+c.Ends.Format(tenancy.TimeFormat),
			"only the platform's operator can check the proxy",
		)
	}
}

// pushTrouble adds a cause if a pushed commit is not deployed.
func (f findings) pushTrouble(add func(cause, evident, next string)) {
	if f.push == nil || f.push.Head == "" || f.push.Deployment != "" {
		return
	}
	deployed := slices.ContainsFunc(
		f.deployments, func(d tenancy.FoundDeployment) bool { return d.Commit == f.push.Head },
	)
	if !deployed {
		add("the branch's newest commit is not deployed", "commit "+short(f.push.Head), "apps_deploy")
	}
}
