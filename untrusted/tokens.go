package untrusted

import (
	"regexp"
	"strings"
)

// prefixed are the tokens that begin with a prefix of their own, and what follows it.
var prefixed = []struct{ prefixes, body string }{
	// Forges and registries: GitHub, GitLab, Bitbucket, Atlassian, npm, PyPI, Docker.
	{"ghp_ gho_ ghu_ ghs_ ghr_", `[0-9A-Za-z]{30,}`},
	{"github_pat_", `[0-9A-Za-z_]{20,}`},
	{"glpat- gldt- glrt- glptt- glcbt- glft- glimt- glagent- glsoat- glffct-", `[0-9A-Za-z_.-]{18,}`},
	{"ATBB", `[0-9A-Za-z]{20,}`},
	{"ATATT3", `[0-9A-Za-z_=-]{40,}`},
	{"npm_", `[0-9A-Za-z]{36}`},
	{"pypi-", `[0-9A-Za-z_-]{50,}`},
	{"dckr_pat_", `[0-9A-Za-z_-]{20,}`},
	// Clouds: Amazon (an id, which stands beside its key), Google, DigitalOcean, Vault,
	// Heroku, Databricks.
	{"AKIA ASIA ABIA ACCA", `[0-9A-Z]{16}\b`},
	{"AIza", `[0-9A-Za-z_-]{35}`},
	{"ya29.", `[0-9A-Za-z_.-]{20,}`},
	{"GOCSPX-", `[0-9A-Za-z_-]{20,}`},
	{"dop_v1_ doo_v1_ dor_v1_", `[0-9a-f]{40,}`},
	{"hvs. hvb. hvr.", `[0-9A-Za-z_-]{20,}`},
	{"HRKU-", `[0-9A-Za-z_-]{30,}`},
	{"dapi", `[0-9a-f]{32}`},
	// Chat: Slack.
	{"xoxa- xoxb- xoxc- xoxd- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs-", `[0-9A-Za-z.%-]{10,}`},
	{"xapp-", `[0-9A-Za-z-]{20,}`},
	// Payment: Stripe and those who write as it does, Square, Shopify, PayPal.
	{"sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_", `[0-9A-Za-z_]{10,}`},
	{"whsec_", `[0-9A-Za-z+/=]{20,}`},
	{"sq0atp- sq0csp- sq0idp-", `[0-9A-Za-z_-]{22,}`},
	{"EAAA", `[0-9A-Za-z_-]{56,}`},
	{"shpat_ shpca_ shppa_ shpss_", `[0-9A-Fa-f]{32}`},
	{"access_token$production$", `[0-9a-z]{16}\$[0-9a-f]{32}`},
	// Mail and models.
	{"SG.", `[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}`},
	{"key-", `[0-9a-f]{32}`},
	{"sk-", `[0-9A-Za-z_-]{20,}`},
}

// tokenRules are the rules for the tokens of services that many apps use.
func tokenRules() []rule {
	found := []rule{
		// Amazon's secrets have no shape; only the word in front tells.
		{"aws", regexp.MustCompile(`(?i)aws_?(?:secret|session)[a-z_]{0,20}[^0-9A-Za-z/+]{1,12}([0-9A-Za-z/+=]{40,})`)},
		// Azure's, in connection strings and signed addresses.
		{"accountkey=", regexp.MustCompile(`(?i)accountkey=([0-9A-Za-z/+=]{40,})`)},
		{"accesskey=", regexp.MustCompile(`(?i)accesskey=([0-9A-Za-z/+=]{40,})`)},
		{"sig=", regexp.MustCompile(`(?i)[?&]sig=([0-9A-Za-z/+=%]{40,})`)},
		// The addresses of webhooks of Slack and Discord, and the tokens of Telegram's bots.
		{"hooks.slack.com/", regexp.MustCompile(`hooks\.slack\.com/[a-z]+/([0-9A-Za-z/_+-]{20,})`)},
		{"/api/webhooks/", regexp.MustCompile(`/api/webhooks/[0-9]+/([0-9A-Za-z_-]{40,})`)},
		{":aa", regexp.MustCompile(`(?:^|[^0-9A-Za-z]|/bot)([0-9]{8,10}:AA[0-9A-Za-z_-]{32,})`)},
		// JSON web tokens, with or without their signature: header and payload begin with {".
		{"eyj", regexp.MustCompile(`(eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*)?)`)},
	}
	for _, p := range prefixed {
		for prefix := range strings.FieldsSeq(p.prefixes) {
			// Letters and digits before the prefix make it a part of another word.
			re := regexp.MustCompile(`(?:^|[^0-9A-Za-z])(` + regexp.QuoteMeta(prefix) + p.body + `)`)
			found = append(found, rule{strings.ToLower(prefix), re})
		}
	}
	return found
}

// chatToken matches a token of a bot on Discord: the account's id in base64, a time, and a
// signature.
var chatToken = regexp.MustCompile(`\b([MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,})`)

// chatTokens appends to hits the tokens of bots on Discord, which have no prefix: it looks
// at lines only in which two dots stand seven bytes apart.
func chatTokens(line string, start int, hits []span) []span {
	for dot := strings.IndexByte(line, '.'); dot >= 0 && dot+7 < len(line); {
		if line[dot+7] == '.' {
			for _, m := range chatToken.FindAllStringIndex(line, -1) {
				hits = hit(hits, span{offset(start + m[0]), offset(start + m[1])})
			}
			return hits
		}
		next := strings.IndexByte(line[dot+1:], '.')
		if next < 0 {
			return hits
		}
		dot += 1 + next
	}
	return hits
}
