// The Inspector's command line as a client.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(import.meta.resolve("@modelcontextprotocol/inspector/clients/launcher/build/index.js"));

// inspect runs the Inspector once and returns its exit status, what it printed,
// and that as an object if it is one.
export function inspect(server, ...args) {
	const target = server.url
		? [server.url, "--transport", "http", "--header", `Authorization: Bearer ${server.key}`, "--stored-auth-only"]
		: [server.command, ...server.args, "--transport", "stdio", ...Object.entries(server.env).flatMap(([name, value]) => ["-e", `${name}=${value}`])];
	return new Promise((resolve) => {
		execFile(process.execPath, [script, "--cli", ...target, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
			let result;
			try {
				result = JSON.parse(stdout);
			} catch {
				// it printed no result
			}
			resolve({ status: error ? (error.code ?? error.signal) : 0, result, stderr });
		});
	});
}
