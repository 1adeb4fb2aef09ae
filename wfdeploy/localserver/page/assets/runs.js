// The list of runs: live, filtered, one page of fifty.
import { html } from "./html.js";
import { ask, config } from "./api.js";
import { useNow } from "./clock.js";
import { useAnswer } from "./live.js";
import { attempt, notice } from "./notices.js";
import { Chip, Search } from "./filters.js";
import { Ago, Command, Icon, Labels, Loading, Pager, RunLink } from "./parts.js";
import { State, STATES, Took, Trouble, UrlLink } from "./parts.js";
import { go, href } from "./router.js";
import { count, duration } from "./format.js";

const FILTERS = ["state", "q", "label", "url", "id", "key"];
const EXACT = { label: "label", url: "URL", id: "id", key: "key" };

export function Runs({ query }) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const cursor = query.get("before");
  const { data, error, isStale, reload } = useAnswer("/-/runs", {
    state: filters.state,
    q: filters.q,
    label: filters.label,
    workflowUrl: filters.url,
    workflowRunId: filters.id,
    flowControlKey: filters.key,
    cursor,
  });
  const isFiltered = FILTERS.some((name) => filters[name]);
  const to = (changed) => href(["runs"], { ...filters, ...changed });
  const isEmpty = data?.runs.length === 0 && !isStale;
  const older = data?.cursor && to({ before: data.cursor });
  return html`
    <h1 tabindex="-1">Runs</h1>
    <${Filters} filters=${filters} to=${to} />
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`} ${!data && !error && html`<${Loading} />`}
    ${data && data.runs.length > 0 && html`<${Table} runs=${data.runs} isStale=${isStale} to=${to} />`}
    ${isEmpty && (isFiltered || cursor ? html`<${NoMatch} />` : html`<${FirstSteps} />`)}
    ${data && html`<${Pager} isFirst=${!cursor} newest=${to({})} older=${older} />`}
  `;
}

function Filters({ filters, to }) {
  const chosen = filters.state ?? "";
  return html`<div class="filters" role="search" aria-label="Filter runs">
    <fieldset class="segments">
      <legend class="hidden">State</legend>
      ${[["", { word: "All" }], ...Object.entries(STATES)].map(
        ([state, { word, look }]) =>
          html`<label key=${state} class=${look ? `is-${look}` : ""}>
            <input
              type="radio"
              name="state"
              value=${state}
              checked=${chosen === state}
              onChange=${() => go(to({ state }))}
            />
            <span>${look && html`<${Icon} name=${look} ring />`}${word}</span>
          </label>`,
      )}
    </fieldset>
    <${Search}
      value=${filters.q ?? ""}
      label="Id, URL or label contains"
      placeholder="Id, URL or label"
      onSearch=${(q) => go(to({ q }), { replace: true })}
    />
    ${Object.entries(EXACT).map(
      ([name, word]) =>
        filters[name] &&
        html`<${Chip} key=${name} word=${word} value=${filters[name]} without=${to({ [name]: null })} />`,
    )}
  </div>`;
}

function Table({ runs, isStale, to }) {
  return html`<div class="scroller">
    <table role="table" class="list runs ${isStale ? "is-stale" : ""}" aria-label="Runs, newest first">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">State</th>
          <th role="columnheader" scope="col">Run</th>
          <th role="columnheader" scope="col">Progress</th>
          <th role="columnheader" scope="col">Triggered</th>
          <th role="columnheader" scope="col" class="number">Took</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${runs.map((run) => html`<${Row} key=${`${run.runId}@${run.createdAt}`} run=${run} to=${to} />`)}
      </tbody>
    </table>
  </div>`;
}

function Row({ run, to }) {
  return html`<tr role="row">
    <td role="cell" class="at-state"><${State} state=${run.state} /></td>
    <td role="cell" class="at-run">
      <${RunLink} id=${run.runId} createdAt=${run.createdAt} />
      <div class="under">
        <${UrlLink} url=${run.url} to=${to} what="runs" />
        <${Labels} labels=${run.labels} link=${(label) => to({ label })} />
      </div>
    </td>
    <td role="cell" class="at-progress"><${Progress} run=${run} /></td>
    <td role="cell" class="at-time"><${Ago} at=${run.createdAt} /></td>
    <td role="cell" class="at-took number"><${Taken} run=${run} /></td>
  </tr>`;
}

function Taken({ run }) {
  const now = useNow(run.completedAt === null);
  if (run.startsAt > now && run.completedAt === null) return html`<span class="muted">–</span>`;
  return html`<${Took} from=${Math.min(run.startsAt, run.completedAt ?? run.startsAt)} to=${run.completedAt} />`;
}

function Progress({ run }) {
  const steps = run.steps > 0 && count(run.steps, "step");
  if (run.state !== "RUN_STARTED") {
    const error = [run.error, run.message].filter(Boolean).join(": ");
    return html`${steps}${error && html`<span class="error-line">${error}</span>`}`;
  }
  return html`${steps}<${Activity} run=${run} />`;
}

// What a run in progress is doing.
function Activity({ run }) {
  const now = useNow();
  const activities = run.underWay.slice(0, 2).map((each) => about(each, now, run.flowKey));
  return html`<span class="activity">${activities.join(", ")}</span>`;
}

function about({ kind, many, dueAt, retried, event }, now, flowKey) {
  const left = dueAt - now;
  const times = many > 1 ? `${many} × ` : "";
  if (kind === "wait") return `${times}waiting for event ${event}`;
  if (kind === "invoke") return `${times}waiting for an invoked run`;
  if (retried > 0) return `${times}retry ${retried} ${left > 0 ? `in ${duration(left)}` : "in progress"}`;
  if (kind === "init" && left > 0) return `starts in ${duration(left)}`;
  if (left > 0) return `${times}sleeping, ${duration(left)} left`;
  if (kind === "call") return `${times}calling`;
  return flowKey ? `${times}running, or queued by ${flowKey}` : `${times}running`;
}

function NoMatch() {
  return html`<section class="empty">
    <h2>No run matches</h2>
    <p>Search for a part of the id, URL or label. <a href="#/runs">Show all runs</a></p>
  </section>`;
}

function FirstSteps() {
  return html`<section class="empty" aria-labelledby="first">
    <h2 id="first">No runs yet</h2>
    <p>In another terminal, trigger the runs that your manifests declare:</p>
    <${Command} label="Apply command" text="wfdeploy apply --local" />
    ${
      config.demoUrl &&
      html`<p>
        Or start a run of the demo workflow: <button type="button" onClick=${startDemo}>Start a demo run</button>
      </p>`
    }
    <p>For your own endpoint, paste this into the shell that runs the application:</p>
    <${Command} label="Shell exports" text=${config.exports} />
    <p>For the JavaScript SDK alone, this is enough:</p>
    <${Command} label="Export for the JavaScript SDK" text=${config.sdkSwitch} />
  </section>`;
}

function startDemo() {
  return attempt(async () => {
    const body = JSON.stringify({ from: "the page" });
    const { workflowRunId } = await ask("POST", `/v2/trigger/${config.demoUrl}/demo/hello`, { body });
    notice("Started a demo run:", { link: { href: href(["runs", workflowRunId]), text: workflowRunId } });
  });
}
