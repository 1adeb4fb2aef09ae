// The official JavaScript SDK: `node sending.mjs SDK_FOLDER COUNT URL`. The runs of benchmarks/material.py in chunks of
// 100 by `client.trigger([...])`, 8 chunks in flight. Prints the seconds it took: wall clock, processor time.
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, count, url] = process.argv.slice(2);
const { Client } = createRequire(join(folder, "package.json"))("@upstash/workflow");
const client = new Client({ baseUrl: url, token: "benchmark" });
const CHUNK = 100, IN_FLIGHT = 8;
const PLANS = ["free", "team", "business", "enterprise"];

const runs = Array.from({ length: Number(count) }, (_, n) => {
  const tenant = `tenant-${String(n).padStart(7, "0")}`;
  return {
    url: "https://app.example.com/api/workflow/onboard",
    workflowRunId: `wave-000-${tenant}-abcdefghijklmnopqrstuvwxyz-g1-f1abcdefghijklmnopqrstuvwxyz`,
    body: { tenant, seats: 1 + (n % 500), plan: PLANS[n % 4], features: ["sso", "audit"] },
    headers: { "X-Team": "growth" },
    retries: 5,
    retryDelay: "pow(2, retried) * 1000",
    label: ["wfdeploy.benchmark.default", "onboarding"],
    flowControl: { key: "onboard", parallelism: 10, rate: 100, period: "60s" },
  };
});

const usage = process.cpuUsage(), began = performance.now();
let next = 0;
await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
  while (next < runs.length) {
    const chunk = runs.slice(next, (next += CHUNK));
    const answers = await client.trigger(chunk);
    if (answers.length !== chunk.length) throw new Error(`${answers.length} answers for ${chunk.length} runs`);
  }
}));
const spent = process.cpuUsage(usage);
console.log((performance.now() - began) / 1e3, (spent.user + spent.system) / 1e6);
process.exit(0); // not waiting for kept connections
