// Drives a vibn-mcp with clients that are not ours, and says what of it works.
// Standard input is one line of JSON: {"http": SERVER, "bridge": SERVER,
// "inProcess": [SERVER, …]}, one of the last for each client. A SERVER has
// {"url", "key"} or {"command", "args", "env"}, and "foreign", the uuid of an app
// in another workspace, and "unknownKey", a key of a server elsewhere.
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { clients, connect } from "./clients.mjs";
import { inspect } from "./inspector.mjs";

let passed = 0;
let failed = 0;

// check runs one check and prints how it went. What depends on one that failed
// fails too.
async function check(who, what, does) {
	try {
		const value = await does();
		passed++;
		console.log(`ok    ${who}: ${what}`);
		return value;
	} catch (error) {
		failed++;
		console.log(`FAIL  ${who}: ${what}\n      ${(error?.stack ?? String(error)).replaceAll("\n", "\n      ")}`);
	}
}

// answered asserts that a call went well and its text is its structured content.
function answered(result) {
	assert.ok(!result.isError, JSON.stringify(result));
	assert.equal(result.content.length, 1);
	assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
	return result.structuredContent;
}

// refused asserts that a call was refused, in words that a model can read.
function refused(result, code) {
	assert.equal(result.isError, true, JSON.stringify(result));
	assert.equal(result.structuredContent, undefined);
	const failure = JSON.parse(result.content[0].text);
	assert.equal(failure.code, code);
	assert.ok(failure.message && failure.hint, result.content[0].text);
}

function namesOf(tools) {
	const names = tools.map((tool) => tool.name);
	assert.ok(names.includes("apps_deploy") && names.length > 10, names.join());
	for (const tool of tools) {
		assert.match(tool.name, /^[a-zA-Z0-9_-]{1,64}$/);
		assert.equal(tool.inputSchema.type, "object");
		assert.equal(typeof tool.annotations.readOnlyHint, "boolean");
	}
	return names;
}

async function quickChecks({ who, session, kind, server }) {
	await check(who, `agrees on ${kind.version}`, () => assert.equal(session.version, kind.version));
	await check(who, "lists the tools", async () => namesOf(await session.list()));
	await check(who, "calls a tool; its text is its structured content", async () => {
		const { apps } = answered(await session.call("apps_list", {}));
		assert.deepEqual(apps.map((app) => app.name).sort(), ["api", "web"]);
	});
	await check(who, "calls a tool by its dotted name", async () => answered(await session.call("activity.list", {})));
	await check(who, "is told why another workspace's app is not to be had", async () => refused(await session.call("apps_get", { app: server.foreign }), "not_found"));
	await check(who, "is told what is wrong with an argument", async () => refused(await session.call("apps_logs", { app: "web", lines: 0 }), "invalid"));
	await check(who, "is refused a tool that does not exist", () => assert.rejects(session.call("no_such_tool", {}), { code: -32602 }));
}

async function cancels(session, deployment) {
	const abort = new AbortController();
	const stopped = new Error("cancelled by the check");
	await assert.rejects(
		session.call("deployments_wait", { deployment }, { signal: abort.signal, onprogress: () => abort.abort(stopped) }),
		(error) => String(error).includes(stopped.message),
	);
	answered(await session.call("activity_list", {}));
}

async function waits(session, deployment) {
	const seen = [];
	const result = await session.call("deployments_wait", { deployment }, { onprogress: (p) => seen.push(p) });
	assert.equal(answered(result).status, "finished");
	assert.ok(seen.length > 0, "no progress came");
	assert.ok(seen[0].message.includes(deployment), seen[0].message);
	assert.ok(seen.every((p, i) => i === 0 || p.progress > seen[i - 1].progress), JSON.stringify(seen));
}

// deploying begins one deployment for all sessions of a workspace.
const deployments = new Map();
function deploying({ session, server }) {
	const workspace = JSON.stringify(server);
	if (!deployments.has(workspace)) {
		deployments.set(workspace, session.call("apps_deploy", { app: "web" }).then((result) => answered(result).deployment));
	}
	return deployments.get(workspace);
}

async function slowChecks(open) {
	const { who, session } = open;
	const deployment = await check(who, "deploys", () => deploying(open));
	await Promise.all([ // at once, as the deployment does not last for ever
		check(who, "cancels a wait, and goes on", () => cancels(session, deployment)),
		check(who, "waits for a deployment, and is told how it goes", () => waits(session, deployment)),
	]);
}

// toStranger returns a server as it is for the holder of a key that it does not
// know. What it says of such a key does not reach every client's user.
function toStranger({ unknownKey, ...server }) {
	return server.url ? { ...server, key: unknownKey } : { ...server, env: { ...server.env, VIBN_API_KEY: unknownKey } };
}
const badKey = /this key is unknown, expired or revoked|requires authorization \(HTTP 401\)/;

async function checkSDKs(servers) {
	const open = [];
	for (const [i, kind] of clients.entries()) {
		for (const [way, server] of Object.entries({ http: servers.http, bridge: servers.bridge, "in process": servers.inProcess[i] })) {
			open.push({ who: `${kind.name} ${way}`, kind, server });
		}
	}
	await Promise.all(open.map(async (o) => (o.session = await check(o.who, "connects", () => connect(o.kind, o.server)))));
	const sessions = open.filter((o) => o.session);
	await Promise.all(sessions.map(quickChecks));
	await Promise.all(sessions.map(slowChecks));
	await Promise.all(sessions.map((o) => check(o.who, "closes", o.session.close)));
	await Promise.all(open.map((o) => check(o.who, "is told that its key is no good", () => assert.rejects(connect(o.kind, toStranger(o.server)), badKey))));
}

async function checkInspector(who, server, ...era) {
	const run = (...args) => inspect(server, ...era, ...args);
	await check(who, "lists the tools, and finds no schema that some client does not take", async () => {
		const { status, result, stderr } = await run("--method", "tools/list", "--strict");
		assert.equal(status, 0, stderr);
		namesOf(result.tools);
	});
	await check(who, "calls a tool; its text is its structured content", async () => {
		const { status, result, stderr } = await run("--method", "tools/call", "--tool-name", "apps_get", "--tool-arg", "app=web");
		assert.equal(status, 0, stderr);
		assert.equal(answered(result).name, "web");
	});
	await check(who, "is told why another workspace's app is not to be had", async () => {
		const { status, result } = await run("--method", "tools/call", "--tool-name", "apps_get", "--tool-arg", `app=${server.foreign}`);
		assert.equal(status, 5); // of a result with isError
		refused(result, "not_found");
	});
	await check(who, "is told that its key is no good", async () => {
		const { status, stderr } = await inspect(toStranger(server), ...era, "--method", "tools/list");
		assert.notEqual(status, 0);
		assert.match(stderr, badKey);
	});
}

const servers = JSON.parse(await text(process.stdin));
await checkSDKs(servers);
await checkInspector("Inspector legacy http", servers.http, "--protocol-era", "legacy");
await checkInspector("Inspector modern http", servers.http, "--protocol-era", "modern");
await checkInspector("Inspector legacy bridge", servers.bridge, "--protocol-era", "legacy");
await checkInspector("Inspector modern in process", servers.inProcess[clients.length], "--protocol-era", "modern");
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
