// One run: what it is, what became of it, and its steps.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { ask } from "./api.js";
import { useAnswer } from "./live.js";
import { attempt, notice } from "./notices.js";
import { Ago, Body, Confirm, Copy, Headers, Labels, Loading } from "./parts.js";
import { Mono, RunLink, State, Took, Trouble } from "./parts.js";
import { revive } from "./revive.js";
import { go, href } from "./router.js";
import { Steps } from "./steps.js";
import { absolute } from "./words.js";

export function Run({ id, createdAt }) {
  const [whole, setWhole] = useState(false);
  const { data, error, reload } = useAnswer("/-/run", { id, createdAt, whole: whole || null });
  const onWhole = () => setWhole(true);
  return html`
    <p class="crumbs"><a href="#/runs">← Runs</a></p>
    <div class="heading">
      <h1 tabindex="-1"><${Mono}>${id}</${Mono}></h1>
      <${Copy} text=${id} what="the run's id" />
      ${data && html`<${State} state=${data.run.workflowState} /><${Actions} told=${data} reload=${reload} />`}
    </div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && html`<${Whole} told=${data} onWhole=${onWhole} reload=${reload} />`}
  `;
}

function Whole({ told, onWhole, reload }) {
  const { run } = told;
  const init = run.steps[0]?.steps[0];
  const cut = { cutAt: told.trim, onWhole };
  return html`
    <${Facts} told=${told} />
    ${told.failure && html`<${Failure} told=${told} cut=${cut} />`}
    <section aria-labelledby="steps-title">
      <h2 id="steps-title">Steps</h2>
      <${Steps} told=${told} cut=${cut} reload=${reload} />
    </section>
    <div class="pair">
      <section aria-labelledby="input-title">
        <h2 id="input-title">Input</h2>
        <${Body} text=${init?.out ?? ""} label="Input" ...${cut} />
        <${Headers} headers=${told.headers} label="Headers of the trigger, sent with every delivery" />
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

function Actions({ told, reload }) {
  const [question, setQuestion] = useState(null);
  const { run } = told;
  const cancel = () =>
    attempt(async () => {
      await ask("DELETE", `/v2/workflows/runs/${encodeURIComponent(run.workflowRunId)}`);
      notice("Cancelled.");
      reload();
    });
  const again = (how) =>
    attempt(async () => {
      const { workflowRunId, workflowCreatedAt } = await revive(how, run.dlqId);
      go(href(["runs", workflowRunId, String(workflowCreatedAt)]));
      notice(how === "resume" ? "Resumed as a new run, this one." : "Restarted as a new run, this one.");
    });
  return html`<div class="buttons actions">
    ${
      run.workflowState === "RUN_STARTED" &&
      html`<button
        type="button"
        onClick=${() =>
          setQuestion({
            title: "Cancel this run?",
            text: "What is under way at the endpoint is not stopped; nothing more is delivered. The id is free again.",
            keep: "Let it run",
            action: "Cancel the run",
            run: cancel,
          })}
      >
        Cancel run
      </button>`
    }
    ${
      told.inDeadLetters &&
      html`<button
          type="button"
          class="primary"
          onClick=${() => again("resume")}
          title="A new run that has the finished steps and goes on with the one that failed"
        >
          Resume
        </button>
        <button type="button" onClick=${() => again("restart")} title="A new run from the beginning">Restart</button>`
    }
    <${Confirm} question=${question} onClose=${() => setQuestion(null)} />
  </div>`;
}

function Facts({ told }) {
  const { run } = told;
  const began = Math.min(told.startsAt, run.workflowRunCompletedAt ?? told.startsAt);
  const isDelayed = told.startsAt - run.workflowRunCreatedAt > 500;
  const ended = run.workflowRunCompletedAt;
  const hasBegun = ended !== undefined || began <= told.now;
  const { invoker, flowControlKey: key } = run;
  return html`<dl class="facts">
    <${Fact} name="Endpoint" wide>
      <a href=${href(["runs"], { url: run.workflowUrl })} title="Runs of this URL">
        <${Mono}>${run.workflowUrl}</${Mono}>
      </a>
    </${Fact}>
    <${Fact} name="Triggered"><${When} at=${run.workflowRunCreatedAt} /></${Fact}>
    ${isDelayed && html`<${Fact} name="Delayed until"><${When} at=${told.startsAt} /></${Fact}>`}
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
    ${told.retries !== null && html`<${Fact} name="Retries">${told.retries}</${Fact}>`}
    ${
      invoker &&
      html`<${Fact} name="Invoked by">
        <${RunLink} id=${invoker.workflowRunId} createdAt=${invoker.workflowRunCreatedAt} />
      </${Fact}>`
    }
    ${
      told.failureUrl &&
      told.failureUrl !== run.workflowUrl &&
      html`<${Fact} name="Failure URL" wide><${Mono}>${told.failureUrl}</${Mono}></${Fact}>`
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
  CALLBACK_INPROGRESS: "is being told",
  CALLBACK_SUCCESS: "was told",
  CALLBACK_FAIL: "could not be told",
  CALLBACK_CANCELED: "was not told: cancelled",
};

function Failure({ told, cut }) {
  const { failure, run } = told;
  const callback = run.failureFunction;
  const answered = callback?.responseStatus > 0 && callback.responseStatus;
  return html`<section class="failure" aria-labelledby="failure-title">
    <h2 id="failure-title">${failure.error}</h2>
    <${Body} text=${failure.failResponse} label="Answer of the endpoint" isError ...${cut} />
    <${Headers} headers=${failure.failHeaders} label="Headers of the answer" />
    ${
      callback &&
      html`<p class="muted">
        The failure function ${CALLBACKS[callback.state] ?? callback.state}${answered && ` (it answered ${answered})`}.
      </p>`
    }
    ${
      !told.inDeadLetters &&
      html`<p class="muted">No longer in the dead-letter queue: it was resumed, restarted or deleted.</p>`
    }
  </section>`;
}
