// The official TypeScript SDKs as clients: v1, and v2 in both eras of the protocol.
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HTTP1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";

const v1 = { Client: Client1, HTTP: HTTP1, Stdio: Stdio1, call: (client, params, options) => client.callTool(params, undefined, options) };
const v2 = { Client: Client2, HTTP: HTTP2, Stdio: Stdio2, call: (client, params, options) => client.callTool(params, options) };

export const clients = [
	{ ...v1, name: "SDK v1", version: "2025-11-25" },
	{ ...v2, name: "SDK v2", version: "2025-11-25" },
	{ ...v2, name: "SDK v2 auto", version: "2026-07-28", negotiation: { mode: "auto" } },
];

// connect opens a session of a client with a server: one at a URL, or one that a
// command starts.
export async function connect(kind, server) {
	const client = new kind.Client({ name: "interop", version: "1" }, { versionNegotiation: kind.negotiation });
	const transport = server.url
		? new kind.HTTP(new URL(server.url), { requestInit: { headers: { Authorization: `Bearer ${server.key}` } } })
		: new kind.Stdio({ command: server.command, args: server.args, env: server.env, stderr: "pipe" });
	let words = "";
	transport.stderr?.on("data", (chunk) => (words += chunk));
	let agreed;
	const tell = transport.setProtocolVersion;
	transport.setProtocolVersion = (version) => {
		agreed = version;
		tell?.call(transport, version);
	};
	try {
		await client.connect(transport);
	} catch (error) {
		throw new Error(`${error.message}\n${words}`, { cause: error });
	}
	return {
		version: client.getNegotiatedProtocolVersion?.() ?? agreed,
		list: async () => (await client.listTools()).tools,
		call: (name, args, options) => kind.call(client, { name, arguments: args }, options),
		close: () => client.close(),
	};
}
