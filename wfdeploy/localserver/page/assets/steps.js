// The steps of a run as a timeline, with durations and attempts.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { useNow } from "./clock.js";
import { Icon } from "./parts.js";
import { StepDetails } from "./step.js";
import { clockTime, count, duration, parsed } from "./format.js";

export function Steps({ details, cut, reload }) {
  const { run, omitted, omittedAfter } = details;
  const end = run.workflowRunCompletedAt;
  const now = useNow(end === undefined);
  const scale = scaleOf(details, end ?? now);
  const rows = rowsOf(details, now);
  if (rows.length === 0) {
    const words = end === undefined ? "None yet." : "The run ended without a step.";
    return html`<p class="muted">${words}</p>`;
  }
  const shared = { details, cut, reload, now, scale };
  return html`<div class="timeline">
    <div class="axis" aria-hidden="true">
      <span><b>0</b><b>${duration(scale.length)}</b></span>
    </div>
    <ol class="steps">
      ${rows.map(
        (row, index) => html`
          ${
            omitted > 0 &&
            index === omittedAfter &&
            html`<li key="omitted"><${Omitted} number=${omitted} what="group" onWhole=${cut.onWhole} /></li>`
          }
          ${
            row.parallel
              ? html`<li key=${row.key} class="parallel">
                  <p class="parallel-word">in parallel</p>
                  <ol>
                    ${row.parallel.map((each) => html`<${Step} key=${each.key} row=${each} ...${shared} />`)}
                  </ol>
                  ${row.omitted > 0 && html`<${Omitted} number=${row.omitted} what="step" onWhole=${cut.onWhole} />`}
                </li>`
              : html`<${Step} key=${row.key} row=${row} ...${shared} />`
          }
        `,
      )}
    </ol>
  </div>`;
}

function Omitted({ number, what, onWhole }) {
  return html`<p class="omitted">
    ${count(number, what)} omitted.${" "}
    <button type="button" class="link" onClick=${onWhole}>Show all</button>
  </p>`;
}

// Steps copied from the previous run are not on the scale.
function scaleOf(details, until) {
  const start = details.run.workflowRunCreatedAt;
  return { start, length: Math.max(1, until - start) };
}

// The groups of the logs as rows: { key, step, span, next } or { key, parallel: rows }.
function rowsOf(details, now) {
  const { run, spans, deliveries } = details;
  const following = new Map();
  for (const group of run.steps) {
    if (group.type === "next") for (const step of group.steps) following.set(step.messageId, step);
  }
  const toRow = (step) => {
    const next = step.state === "STEP_PROGRESS" ? following.get(step.messageId) : undefined;
    if (next) following.delete(step.messageId);
    // Keyed by number, so that the row stays open when its result arrives.
    const key = Number.isInteger(step.stepId) ? `step ${step.stepId}` : step.messageId;
    return { key, step, span: spans[step.messageId], next };
  };
  const rows = [];
  for (const group of run.steps.slice(1)) {
    if (group.type === "next") continue;
    if (group.type === "parallel") pushGroup(rows, group.steps.map(toRow), group.omitted);
    else rows.push(...group.steps.map(toRow));
  }
  const planned = [];
  for (const [messageId, step] of following) {
    const span = deliveries[messageId];
    const isLater = step.state === "STEP_PROGRESS" && span?.start > now;
    const row = { key: `next ${messageId}`, step: { ...step, ...span?.plan, isDelivery: true, isLater }, span };
    if (span?.plan) planned.push({ ...row, span: isLater ? { ...span, start: span.plannedAt } : span });
    else if (!isLater) rows.push(row); // a delay: no step yet
  }
  const last = rows.at(-1);
  if (last?.parallel) last.parallel.push(...planned);
  else if (planned.length > 0) pushGroup(rows, planned);
  return rows;
}

function pushGroup(rows, parallel, omitted = 0) {
  rows.push({ key: `group at ${rows.length}`, parallel, omitted });
}

const TYPES = {
  Run: "run",
  SleepFor: "sleep",
  SleepUntil: "sleep until",
  Call: "call",
  Wait: "wait for event",
  Notify: "notify",
  Invoke: "invoke",
  CreateWebhook: "create webhook",
  WaitForWebhook: "wait for webhook",
};

const IDLE = new Set(["SleepFor", "SleepUntil", "Wait", "WaitForWebhook"]);

const LOOKS = {
  STEP_SUCCESS: ["done", "Done"],
  STEP_FAILED: ["failed", "Failed"],
  STEP_RETRY: ["retry", "Retrying"],
  STEP_CANCELED: ["canceled", "Cancelled"],
};

function lookOf({ step, next }, hasEnded) {
  if (next?.state === "STEP_RETRY") return LOOKS.STEP_RETRY;
  if (step.state !== "STEP_PROGRESS") return LOOKS[step.state] ?? ["progress", step.state];
  if (hasEnded) return ["canceled", "Not finished"];
  if (step.isDelivery && !step.isLater) return ["progress", "In progress"];
  return String(step.stepType).startsWith("Sleep") ? ["asleep", "Sleeping"] : ["progress", "In progress"];
}

function Step({ row, details, cut, reload, now, scale }) {
  const { step, span, next } = row;
  const [isOpen, setOpen] = useState(false);
  const hasEnded = details.run.workflowRunCompletedAt !== undefined;
  const [look, word] = lookOf(row, hasEnded);
  const until = span ? (span.end ?? (hasEnded ? details.run.workflowRunCompletedAt : Math.max(now, span.start))) : null;
  const type = TYPES[step.stepType] ?? step.stepType ?? "";
  const attempts = step.errors ?? span?.attempts ?? [];
  return html`<li class="step">
    <details onToggle=${(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="is-${look} step-state"><${Icon} name=${look} ring /><span class="hidden">${word}: </span></span>
        <span class="step-name">
          <bdi>${nameOf(step)}</bdi>
          ${type && type !== step.stepName && html` <span class="muted step-type">${type}</span>`}
          <${About} step=${step} attempts=${attempts} waits=${hasEnded ? null : waiting(step, next, now)} />
        </span>
        <span class="track">
          ${
            span &&
            !span.isEarlier &&
            html`<${Bar} from=${span.start} to=${until} scale=${scale} look=${look} type=${step.stepType} />`
          }
        </span>
        <span class="number step-took">
          ${span?.isEarlier ? html`<span class="muted">previous run</span>` : span && duration(until - span.start)}
        </span>
      </summary>
      ${isOpen && html`<${StepDetails} ...${{ step, attempts, span, details, cut, reload }} />`}
    </details>
  </li>`;
}

function nameOf(step) {
  if (step.stepName || !step.isDelivery) return step.stepName || `step ${step.stepId}`;
  return { STEP_FAILED: "Failed step", STEP_CANCELED: "Step in progress" }[step.state] ?? "Next step";
}

function About({ step, attempts, waits }) {
  const troubles = [attempts.length > 0 && count(attempts.length, "failed attempt"), outcome(step)].filter(Boolean);
  return html`${troubles.length > 0 && html` <span class="tries">${troubles.join(", ")}</span>`}
  ${waits && html`<span class="muted step-about">${waits}</span>`}`;
}

// The failure of a call or an invoked run; the step itself is done either way.
function outcome({ stepType, out, callResponseStatus }) {
  if (callResponseStatus >= 400) return `answered ${callResponseStatus}`;
  if (stepType !== "Invoke" || typeof out !== "string") return null;
  const result = parsed(out);
  if (result?.isFailed) return "the invoked run failed";
  return result?.isCanceled ? "the invoked run was cancelled" : null;
}

// What an unfinished step waits for.
function waiting(step, next, now) {
  const retry = next ?? step;
  if (retry.state === "STEP_RETRY") {
    const left = retry.nextDeliveryTime - now;
    const which = `retry ${retry.errors?.length ?? 1} of ${retry.retries}`;
    return left > 0 ? `${which} in ${duration(left)}` : `${which} in progress`;
  }
  if (step.state !== "STEP_PROGRESS") return null;
  if (step.waitEventId) return `${step.waitEventId}, times out in ${duration(step.waitTimeoutDeadline - now)}`;
  if (step.isLater) return "sleeping";
  if (step.isDelivery) return "running";
  return null;
}

function Bar({ from, to, scale, look, type }) {
  const left = clamp((from - scale.start) / scale.length);
  const right = clamp((to - scale.start) / scale.length);
  const style = { "--left": `${left * 100}%`, "--width": `${(right - left) * 100}%` };
  return html`<span
    class="bar is-${look} ${IDLE.has(type) ? "is-idle" : ""}"
    style=${style}
    title=${`${clockTime(from)} – ${clockTime(to)}`}
  ></span>`;
}

const clamp = (share) => Math.min(1, Math.max(0, share));
