// An Express application with workflows of every kind of step, for tests/e2e/test_sdk_javascript.py.
import express from "express";
import { Client, WorkflowNonRetryableError, WorkflowRetryAfterError } from "@upstash/workflow";
import { createWorkflow, serve, serveMany } from "@upstash/workflow/express";

const app = express();
app.use(express.json());
app.use(express.text({ type: "text/plain" }));
const client = new Client({ baseUrl: process.env.QSTASH_URL, token: process.env.QSTASH_TOKEN });
const seen = {};
const note = (id, value) => (seen[id] ??= []).push(value);
let broken = true;
let self;

app.put("/third", (req, res) => res.status(201).json({ got: req.body, key: req.headers["x-key"] }));
app.post("/down", (_, res) => res.status(503).send("down"));

app.use("/sequential", serve(async (context) => {
  const id = context.workflowRunId;
  const greeting = await context.run("greet", () => `hello ${context.requestPayload.tenant}`);
  await context.sleep("nap", 1);
  await context.sleepUntil("until", new Date(Date.now() + 500));
  const good = await context.call("good", {
    url: `${self}/third`, method: "PUT", body: { a: "ü" }, headers: { "x-key": "k" },
  });
  const bad = await context.call("bad", { url: `${self}/down`, method: "POST", retries: 1, retryDelay: "10" });
  await context.run("note", () => note(id, [greeting, good.status, good.body, bad.status, bad.body,
    context.headers.get("x-team"), context.label]));
  return { done: greeting };
}));

app.use("/parallel", serve(async (context) => {
  const results = await Promise.all([
    context.run("a", () => 1),
    context.sleep("s", 1),
    context.call("c", { url: `${self}/third`, method: "PUT", body: { n: 2 } }),
    context.waitForEvent("w", `par-${context.workflowRunId}`, { timeout: "1h" }),
    context.run("b", () => 3),
  ]);
  return [results[0], results[2].body, results[3].eventData, results[4]];
}));

app.use("/waiting", serve(async (context) => {
  const { event, timeout } = context.requestPayload;
  const told = await context.waitForEvent("wait", event, { timeout });
  return told;
}));

app.use("/notifying", serve(async (context) => {
  const { event, run } = context.requestPayload;
  const { notifyResponse } = await context.notify("tell", event, { from: "workflow" }, run);
  return Array.isArray(notifyResponse) ? notifyResponse.length : notifyResponse.workflowRunId;
}));

app.use("/hooked", serve(async (context) => {
  const webhook = await context.createWebhook("create");
  await context.run("note", () => note(context.workflowRunId, webhook.webhookUrl));
  const first = await context.waitForWebhook("wait", webhook, "1h");
  const second = await context.waitForWebhook("wait again", webhook, "1s");
  return [await first.request.text(), first.request.headers.get("x-sig"), first.timeout, second.timeout];
}));

app.use("/failing", serve(async (context) => {
  const id = context.requestPayload.id;
  await context.run("first", () => note(id, "first"));
  await context.run("second", () => {
    note(id, `second ${context.retried}`);
    if (broken) throw new Error("no tenant");
  });
  return "healed";
}, { failureFunction: async ({ context, failStatus, failResponse }) => {
  note(`failed ${context.requestPayload.id}`, [failStatus, failResponse]);
  if (broken && context.requestPayload.badFailure) throw new Error("failure function down");
  return "noted";
} }));

app.use("/large", (req, _, next) => {
  if (req.headers["content-length"] === "0") note("fetched", req.headers["upstash-message-id"]);
  next();
});
app.use("/large", serve(async (context) => {
  const parts = [];
  for (let number = 0; number < 3; number++) {
    parts.push(await context.run(`part ${number}`, () => String(number).repeat(20000)));
  }
  const [a, b] = await Promise.all([context.run("a", () => "a".repeat(20000)), context.run("b", () => "b")]);
  const { body } = await context.call("third", { url: `${self}/third`, method: "PUT", body: { n: 1 } });
  note(context.workflowRunId, context.requestPayload.tenant);
  return [...parts.map((part) => part.length), a.length, b, body.got.n];
}));

app.post("/ops", (req, res) => {
  note("ops", [req.body.workflowRunId, req.body.status]);
  res.json({});
});

app.use("/final", serve(async (context) => {
  await context.run("first", () => {
    note(context.workflowRunId, "once");
    throw new WorkflowNonRetryableError("final");
  });
}));

app.use("/later", serve(async (context) => {
  await context.run("first", () => {
    note(context.workflowRunId, context.retried);
    if (!context.retried) throw new WorkflowRetryAfterError("busy", 2);
  });
}));

app.use("/absurd", serve(async (context) => {
  note(context.workflowRunId, context.retried);
  await context.call("never", { url: `${self}/third`, method: "PUT", body: {}, retries: 999999 });
}));

app.use("/thrice", serve(async (context) => {
  await context.run("first", () => {
    note(context.workflowRunId, context.retried);
    if (context.retried < 2) throw new Error("not yet");
  });
  return context.retried;
}));

app.use("/cancelling", serve(async (context) => {
  await context.run("first", () => 1);
  await context.cancel();
}));

const child = createWorkflow(async (context) => {
  if (context.requestPayload.mode === "cancel") await context.cancel();
  await context.run("step", () => {
    if (context.requestPayload.mode === "fail") throw new WorkflowNonRetryableError("child");
  });
  return { child: context.requestPayload.mode, team: context.headers.get("x-team") ?? null };
});
const parent = createWorkflow(async (context) => {
  const call = (mode) => context.invoke(`invoke ${mode}`, { workflow: child, body: { mode }, retries: 0 });
  const one = await call("one");
  const rest = await Promise.all([call("two"), call("fail"), call("cancel")]);
  return [one, ...rest].map(({ body, isFailed, isCanceled }) => [body?.child ?? null, isFailed, isCanceled]);
});
const caller = createWorkflow(async (context) => {
  const { body, status } = await context.call("call it", { workflow: child, body: { mode: "called" } });
  return [status, body.finishCondition, body.workflowRunId];
});
app.use("/many", serveMany({ parent, child, caller }));

app.get("/seen/:id", (req, res) => res.json(seen[req.params.id] ?? []));
app.post("/heal", (_, res) => { broken = false; res.json({}); });
const reading = new Client({ baseUrl: process.env.QSTASH_URL, token: process.env.READ_ONLY_TOKEN });
app.post(["/client", "/client/reading"], async (req, res) => {
  try {
    const path = req.body.call.split(".");
    const method = path.pop();
    const target = path.reduce((object, name) => object[name], req.path === "/client" ? client : reading);
    res.json((await target[method](...req.body.args)) ?? null);
  } catch (error) {
    res.status(500).json({ error: error.message });
  }
});

const listening = app.listen(0, "127.0.0.1", () => {
  self = `http://127.0.0.1:${listening.address().port}`;
  console.log(self);
});
