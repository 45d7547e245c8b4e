// undici on Node, 50 connections.
//
// node undici.mjs JOB RESULTS ORIGIN    (in a folder where undici is installed)

import { createWriteStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { once } from "node:events";
import { join } from "node:path";

const { Pool } = createRequire(join(process.cwd(), "package.json"))("undici");
const [job, results, origin] = process.argv.slice(2);
const headers = {
  SecureURL: "https://bench.example",
  PrivateKey: "bench-key",
  Token: "bench-token",
  "Content-Type": "application/json",
};
const lines = readFileSync(job, "utf8").trimEnd().split("\n");
const out = createWriteStream(results);
const pool = new Pool(origin, { connections: 50 });
let next = 0;

async function work() {
  while (next < lines.length) {
    const number = ++next;
    const body = JSON.stringify(JSON.parse(lines[number - 1]).data);
    const answer = await pool.request({ path: "/3dCartWebAPI/v1/Cart", method: "POST", headers, body });
    const found = { line: number, status: answer.statusCode, body: await answer.body.json() };
    out.write(JSON.stringify(found) + "\n");
  }
}

await Promise.all(Array.from({ length: 50 }, work));
await pool.close();
out.end();
await once(out, "finish");
