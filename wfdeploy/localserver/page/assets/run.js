// One run: its facts, its outcome and its steps.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { ask, retryRun } from "./api.js";
import { useAnswer } from "./live.js";
import { attempt, notice } from "./notices.js";
import { Ago, Body, Confirm, Copy, Headers, Labels, Loading } from "./parts.js";
import { Mono, RunLink, State, Took, Trouble } from "./parts.js";
import { go, href } from "./router.js";
import { Steps } from "./steps.js";
import { absolute } from "./format.js";

export function Run({ id, createdAt }) {
  const [whole, setWhole] = useState(false);
  const { data, error, reload } = useAnswer("/-/run", { id, createdAt, whole: whole || null });
  const onWhole = () => setWhole(true);
  return html`
    <p class="crumbs"><a href="#/runs">← Runs</a></p>
    <div class="heading">
      <h1 tabindex="-1"><${Mono}>${id}</${Mono}></h1>
      <${Copy} text=${id} what="the run's id" />
      ${data && html`<${State} state=${data.run.workflowState} /><${Actions} details=${data} reload=${reload} />`}
    </div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && html`<${Whole} details=${data} onWhole=${onWhole} reload=${reload} />`}
  `;
}

function Whole({ details, onWhole, reload }) {
  const { run } = details;
  const init = run.steps[0]?.steps[0];
  const cut = { cutAt: details.trim, onWhole };
  return html`
    <${Facts} details=${details} />
    ${details.warning && html`<p class="warning" role="note">Warning: ${details.warning}.</p>`}
    ${details.failure && html`<${Failure} details=${details} cut=${cut} />`}
    <section aria-labelledby="steps-title">
      <h2 id="steps-title">Steps</h2>
      <${Steps} details=${details} cut=${cut} reload=${reload} />
    </section>
    <div class="pair">
      <section aria-labelledby="input-title">
        <h2 id="input-title">Input</h2>
        <${Body} text=${init?.out ?? ""} label="Input" ...${cut} />
        <${Headers} headers=${details.headers} label="Forwarded headers" />
      </section>
      ${
        run.workflowState === "RUN_SUCCESS" &&
        html`<section aria-labelledby="result-title">
          <h2 id="result-title">Result</h2>
          <${Body} text=${run.workflowRunResponse ?? ""} label="Result" ...${cut} />
        </section>`
      }
    </div>
  `;
}

function Actions({ details, reload }) {
  const [question, setQuestion] = useState(null);
  const { run } = details;
  const cancel = () =>
    attempt(async () => {
      await ask("DELETE", `/v2/workflows/runs/${encodeURIComponent(run.workflowRunId)}`);
      notice("Cancelled.");
      reload();
    });
  const again = (how) =>
    attempt(async () => {
      const { workflowRunId, workflowCreatedAt } = await retryRun(how, run.dlqId);
      go(href(["runs", workflowRunId, String(workflowCreatedAt)]));
      notice(how === "resume" ? "Resumed as this new run." : "Restarted as this new run.");
    });
  return html`<div class="buttons actions">
    ${
      run.workflowState === "RUN_STARTED" &&
      html`<button
        type="button"
        onClick=${() =>
          setQuestion({
            title: "Cancel this run?",
            text: "Nothing more is delivered, and the id can be used again. A request at the endpoint is not stopped.",
            keep: "Keep running",
            action: "Cancel the run",
            run: cancel,
          })}
      >
        Cancel run
      </button>`
    }
    ${
      details.inDeadLetters &&
      html`<button
          type="button"
          class="primary"
          onClick=${() => again("resume")}
          title="A new run that keeps the finished steps and continues with the failed one"
        >
          Resume
        </button>
        <button type="button" onClick=${() => again("restart")} title="A new run from the beginning">Restart</button>`
    }
    <${Confirm} question=${question} onClose=${() => setQuestion(null)} />
  </div>`;
}

function Facts({ details }) {
  const { run } = details;
  const began = Math.min(details.startsAt, run.workflowRunCompletedAt ?? details.startsAt);
  const isDelayed = details.startsAt - run.workflowRunCreatedAt > 500;
  const ended = run.workflowRunCompletedAt;
  const hasBegun = ended !== undefined || began <= details.now;
  const { invoker, flowControlKey: key } = run;
  return html`<dl class="facts">
    <${Fact} name="Endpoint" wide>
      <a href=${href(["runs"], { url: run.workflowUrl })} title="Runs of this URL">
        <${Mono}>${run.workflowUrl}</${Mono}>
      </a>
    </${Fact}>
    <${Fact} name="Triggered"><${When} at=${run.workflowRunCreatedAt} /></${Fact}>
    ${isDelayed && html`<${Fact} name="Delayed until"><${When} at=${details.startsAt} /></${Fact}>`}
    ${ended !== undefined && html`<${Fact} name="Ended">${absolute(ended)}</${Fact}>`}
    ${
      hasBegun &&
      html`<${Fact} name=${ended === undefined ? "Running for" : "Took"}>
        <${Took} from=${began} to=${ended} />
      </${Fact}>`
    }
    ${
      run.labels &&
      html`<${Fact} name="Labels">
        <${Labels} labels=${run.labels} link=${(label) => href(["runs"], { label })} />
      </${Fact}>`
    }
    ${
      key &&
      html`<${Fact} name="Flow-control key">
        <a href=${href(["flow", key])}><${Mono}>${key}</${Mono}></a>
      </${Fact}>`
    }
    ${details.retries !== null && html`<${Fact} name="Retries">${details.retries}</${Fact}>`}
    ${
      invoker &&
      html`<${Fact} name="Invoked by">
        <${RunLink} id=${invoker.workflowRunId} createdAt=${invoker.workflowRunCreatedAt} />
      </${Fact}>`
    }
    ${
      details.failureUrl &&
      details.failureUrl !== run.workflowUrl &&
      html`<${Fact} name="Failure URL" wide><${Mono}>${details.failureUrl}</${Mono}></${Fact}>`
    }
  </dl>`;
}

function When({ at }) {
  return html`${absolute(at)} <span class="muted">· <${Ago} at=${at} /></span>`;
}

function Fact({ name, wide, children }) {
  return html`<div class=${wide ? "wide" : ""}>
    <dt>${name}</dt>
    <dd>${children}</dd>
  </div>`;
}

const CALLBACKS = {
  CALLBACK_INPROGRESS: "being called",
  CALLBACK_SUCCESS: "called",
  CALLBACK_FAIL: "the call failed",
  CALLBACK_CANCELED: "the call was cancelled",
};

function Failure({ details, cut }) {
  const { failure, run } = details;
  const callback = run.failureFunction;
  const answered = callback?.responseStatus > 0 && callback.responseStatus;
  return html`<section class="failure" aria-labelledby="failure-title">
    <h2 id="failure-title">${failure.error}</h2>
    <${Body} text=${failure.failResponse} label="Endpoint response" isError ...${cut} />
    <${Headers} headers=${failure.failHeaders} label="Response headers" />
    ${
      callback &&
      html`<p class="muted">
        Failure function: ${CALLBACKS[callback.state] ?? callback.state}${answered && ` (${answered})`}.
      </p>`
    }
    ${
      !details.inDeadLetters &&
      html`<p class="muted">No longer in the dead-letter queue: it was resumed, restarted or deleted.</p>`
    }
  </section>`;
}
