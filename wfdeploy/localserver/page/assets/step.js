// The details of one step.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { ask } from "./api.js";
import { attempt, notice } from "./notices.js";
import { Body, Headers, Mono, RunLink } from "./parts.js";
import { clockTime, exact, fromBase64, unmangled } from "./format.js";

export function StepDetails({ step, attempts, span, details, cut, reload }) {
  const { invokedWorkflowRunId: invoked, invokedWorkflowCreatedAt: invokedAt } = step;
  const isWaiting = step.waitEventId && step.state === "STEP_PROGRESS" && details.run.workflowState === "RUN_STARTED";
  return html`<div class="step-details">
    <dl class="pairs">
      <${Pair} name="Started" of=${span && exact(span.start)} />
      <${Pair} name="Ended" of=${span?.end && exact(span.end)} />
      <${Pair} name="Sleeps for" of=${typeof step.sleepFor === "number" ? `${step.sleepFor} s` : step.sleepFor} />
      <${Pair} name="Event" of=${step.waitEventId} mono />
      <${Pair} name="Timeout" of=${step.waitTimeoutDuration} />
      <${Pair} name="Timed out" of=${step.waitTimeout && "yes: no event arrived in time"} />
      <${Pair} name="Invoked run" of=${invoked && html`<${RunLink} id=${invoked} createdAt=${invokedAt} />`} />
      <${Pair} name="Invoked endpoint" of=${step.invokedWorkflowUrl} mono />
      <${Pair} name="Request" of=${step.callUrl && `${step.callMethod} ${step.callUrl}`} mono />
      <${Pair} name="Response" of=${step.callResponseStatus} />
      <${Pair} name="Retries" of=${step.retries} />
      <${Pair} name="Retry delay" of=${step.retryDelay} mono />
      <${Pair} name="Message" of=${step.messageId} mono />
    </dl>
    <${Headers} headers=${step.callHeaders} label="Request headers" />
    ${
      step.callBody &&
      html`<h3>Request body</h3>
        <${Body} text=${step.callBody} label="Request body" ...${cut} />`
    }
    <${Headers} headers=${step.invokedWorkflowRunHeaders} label="Invoked run's headers" />
    ${
      step.invokedWorkflowRunBody &&
      html`<h3>Invoked run's input</h3>
        <${Body} text=${step.invokedWorkflowRunBody} label="Invoked run's input" ...${cut} />`
    }
    <${Headers} headers=${step.callResponseHeaders} label="Response headers" />
    ${
      step.callResponseBody !== undefined
        ? html`<h3>Response body</h3>
            <${Body} text=${unmangled(step.callResponseBody)} label="Response body" ...${cut} />`
        : step.out !== undefined &&
          html`<h3>Output</h3>
            <${Body} text=${outputOf(step)} label="Output" ...${cut} />`
    }
    ${isWaiting && html`<${Notify} runId=${details.run.workflowRunId} event=${step.waitEventId} reload=${reload} />`}
    ${
      attempts.length > 0 &&
      html`<h3>Failed attempts</h3>
        <ol class="attempts">
          ${attempts.map((each, index) => html`<${Attempt} key=${index} number=${index + 1} of=${each} cut=${cut} />`)}
        </ol>`
    }
  </div>`;
}

// A term and its value, unless that is empty.
function Pair({ name, of, mono = false }) {
  if (of === undefined || of === null || of === false || of === "") return null;
  return html`<dt>${name}</dt>
    <dd>${mono ? html`<${Mono}>${of}</${Mono}>` : of}</dd>`;
}

// The output of a wait is the event's data in Base64.
function outputOf({ out, stepType }) {
  if (typeof out !== "string") return JSON.stringify(out);
  return (stepType === "Wait" && fromBase64(out)) || out;
}

function Attempt({ number, of, cut }) {
  return html`<li>
    <p>
      <span class="muted">${number}.</span> ${of.error} <span class="muted">${of.time ? clockTime(of.time) : ""}</span>
    </p>
    ${of.body && html`<${Body} text=${of.body} label=${`Response to attempt ${number}`} isError ...${cut} />`}
    <${Headers} headers=${of.headers} label="Headers" />
  </li>`;
}

function Notify({ runId, event, reload }) {
  const [data, setData] = useState("");
  const tell = (submitted) => {
    submitted.preventDefault();
    attempt(async () => {
      await ask("POST", `/v2/notify/${encodeURIComponent(runId)}/${encodeURIComponent(event)}`, { body: data });
      notice(`Sent ${event} to the run.`);
      reload();
    });
  };
  return html`<form class="notify" onSubmit=${tell}>
    <label>
      <span>Event data</span>
      <textarea
        rows="2"
        spellcheck="false"
        placeholder='{"approved": true}'
        value=${data}
        onInput=${(typed) => setData(typed.target.value)}
      ></textarea>
    </label>
    <button type="submit" class="primary">Notify</button>
  </form>`;
}
