// The dead-letter queue: failed runs to resume, restart or delete, one or several at once.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { ask, retryMany, retryRun } from "./api.js";
import { Chip, Search } from "./filters.js";
import { useAnswer } from "./live.js";
import { attempt, notice } from "./notices.js";
import { Ago, Confirm, Labels, Loading, Pager, RunLink, Trouble, UrlLink } from "./parts.js";
import { go, href } from "./router.js";
import { count } from "./format.js";

export function DeadLetters({ query }) {
  const filters = { q: query.get("q"), label: query.get("label"), url: query.get("url") };
  const isFiltered = Object.values(filters).some(Boolean);
  const cursor = query.get("before");
  const to = (changed) => href(["dead-letters"], { ...filters, ...changed });
  const { data, error, reload } = useAnswer("/-/dead-letters", {
    q: filters.q,
    label: filters.label,
    workflowUrl: filters.url,
    cursor,
  });
  const older = data?.cursor && to({ before: data.cursor });
  return html`
    <h1 tabindex="-1">Dead letters</h1>
    <p class="lead">
      Failed runs stay here until they are resumed (a new run continues with the failed step), restarted (a new run from
      the beginning) or deleted.
    </p>
    ${(data?.letters.length > 0 || isFiltered) && html`<${Filters} filters=${filters} to=${to} />`}
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data?.letters.length > 0 && html`<${Letters} letters=${data.letters} to=${to} reload=${reload} />`}
    ${data?.letters.length === 0 && html`<${Nothing} isFiltered=${isFiltered || cursor} />`}
    ${data && html`<${Pager} isFirst=${!cursor} newest=${to({})} older=${older} />`}
  `;
}

function Filters({ filters, to }) {
  return html`<div class="filters" role="search" aria-label="Filter dead letters">
    <${Search}
      value=${filters.q ?? ""}
      label="Id, URL or label contains"
      placeholder="Id, URL or label"
      onSearch=${(q) => go(to({ q }), { replace: true })}
    />
    ${["label", "url"].map(
      (name) =>
        filters[name] &&
        html`<${Chip} key=${name} word=${name} value=${filters[name]} without=${to({ [name]: null })} />`,
    )}
  </div>`;
}

function Letters({ letters, to, reload }) {
  const [selected, setSelected] = useState(new Set());
  const [question, setQuestion] = useState(null);
  const chosen = letters.map((each) => each.dlqId).filter((id) => selected.has(id));
  const select = (ids, on) => {
    const next = new Set(selected);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    setSelected(next);
  };
  const all = letters.map((each) => each.dlqId);

  const act = async (how, ids) => {
    const isDone = await attempt(async () => {
      if (how === "delete") {
        await ask("DELETE", "/v2/workflows/dlq", { query: { dlqIds: ids, count: ids.length } });
        notice(`Deleted ${count(ids.length, "dead letter")}.`);
        return;
      }
      const word = how === "resume" ? "Resumed" : "Restarted";
      if (ids.length === 1) {
        const { workflowRunId, workflowCreatedAt } = await retryRun(how, ids[0]);
        notice(`${word} as`, {
          link: { href: href(["runs", workflowRunId, String(workflowCreatedAt)]), text: workflowRunId },
        });
      } else {
        notice(`${word} ${count((await retryMany(how, ids)).length, "run")}.`, {
          link: { href: href(["runs"], { state: "RUN_STARTED" }), text: "Show runs in progress" },
        });
      }
    });
    if (isDone) select(ids, false);
    reload();
  };
  const remove = (ids) =>
    setQuestion({
      title: `Delete ${count(ids.length, "dead letter")}?`,
      text: "The runs stay in the list of runs, but can no longer be resumed or restarted.",
      action: "Delete",
      run: () => act("delete", ids),
    });

  return html`
    <div class="bulk">
      <label class="mark-all"
        ><input
          type="checkbox"
          checked=${chosen.length === all.length}
          onChange=${(event) => select(all, event.target.checked)}
        />
        ${chosen.length > 0 ? `${chosen.length} selected` : "Select all on this page"}</label
      >
      <span class="buttons">
        <button type="button" disabled=${chosen.length === 0} onClick=${() => act("resume", chosen)}>
          Resume selected
        </button>
        <button type="button" disabled=${chosen.length === 0} onClick=${() => act("restart", chosen)}>
          Restart selected
        </button>
        <button type="button" disabled=${chosen.length === 0} onClick=${() => remove(chosen)}>Delete selected</button>
      </span>
    </div>
    <div class="scroller">
      <table role="table" class="list letters" aria-label="Dead letters, newest first">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col"><span class="hidden">Selected</span></th>
            <th role="columnheader" scope="col">Run</th>
            <th role="columnheader" scope="col">Why it failed</th>
            <th role="columnheader" scope="col">Failed</th>
            <th role="columnheader" scope="col"><span class="hidden">Actions</span></th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${letters.map((each) => {
            const does = { select, act, remove, isSelected: selected.has(each.dlqId) };
            return html`<${Letter} key=${each.dlqId} letter=${each} to=${to} ...${does} />`;
          })}
        </tbody>
      </table>
    </div>
    <${Confirm} question=${question} onClose=${() => setQuestion(null)} />
  `;
}

function Letter({ letter, to, isSelected, select, act, remove }) {
  const { dlqId, runId } = letter;
  return html`<tr role="row">
    <td role="cell" class="at-mark">
      <input
        type="checkbox"
        aria-label=${`Select ${runId}`}
        checked=${isSelected}
        onChange=${(event) => select([dlqId], event.target.checked)}
      />
    </td>
    <td role="cell" class="at-run">
      <${RunLink} id=${runId} createdAt=${letter.createdAt} />
      <div class="under">
        <${UrlLink} url=${letter.url} to=${to} what="dead letters" />
        <${Labels} labels=${letter.labels} link=${(label) => to({ label })} />
      </div>
    </td>
    <td role="cell" class="at-why">
      <span class="error-line">${letter.error}</span>
      ${
        letter.message
          ? html`<span class="answer">${letter.message}</span>`
          : letter.answer && letter.answer !== letter.error && html`<span class="mono answer">${letter.answer}</span>`
      }
      ${letter.callbackState === "CALLBACK_FAIL" && html`<${FailedToo} dlqId=${dlqId} />`}
    </td>
    <td role="cell" class="at-time"><${Ago} at=${letter.failedAt} /></td>
    <td role="cell" class="at-actions">
      <span class="buttons">
        <button type="button" class="primary" aria-label=${`Resume ${runId}`} onClick=${() => act("resume", [dlqId])}>
          Resume
        </button>
        <button type="button" aria-label=${`Restart ${runId}`} onClick=${() => act("restart", [dlqId])}>Restart</button>
        <button type="button" class="quiet" aria-label=${`Delete ${runId}`} onClick=${() => remove([dlqId])}>
          Delete
        </button>
      </span>
    </td>
  </tr>`;
}

function FailedToo({ dlqId }) {
  const again = () =>
    attempt(async () => {
      await ask("POST", `/v2/workflows/dlq/callback/${encodeURIComponent(dlqId)}`);
      notice("Calling the failure function again.");
    });
  return html`<span class="muted">
    The failure function failed too. <button type="button" class="link" onClick=${again}>Call it again</button>
  </span>`;
}

function Nothing({ isFiltered }) {
  if (isFiltered)
    return html`<section class="empty">
      <h2>Nothing matches</h2>
      <p><a href="#/dead-letters">Show all dead letters</a></p>
    </section>`;
  return html`<section class="empty">
    <h2>No dead letters</h2>
    <p>
      A run that has failed after its retries appears here.${" "}
      <a href=${href(["runs"], { state: "RUN_FAILED" })}>Earlier failed runs</a> stay in the list of runs.
    </p>
  </section>`;
}
