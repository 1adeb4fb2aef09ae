// Flow control: the keys, their limits, and their queues.
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { ask } from "./api.js";
import { useAnswer } from "./live.js";
import { attempt, notice } from "./notices.js";
import { Search } from "./filters.js";
import { Ago, Command, Loading, Mono, RunLink, Trouble } from "./parts.js";
import { href } from "./router.js";
import { count, duration } from "./format.js";

const SHOWN = 200;

export function Flow({ chosen }) {
  return chosen === undefined ? html`<${Keys} />` : html`<${Key} name=${chosen} key=${chosen} />`;
}

function Keys() {
  const { data, error, reload } = useAnswer("/v2/flowControl");
  const { data: whole } = useAnswer("/v2/globalParallelism");
  const [piece, setPiece] = useState("");
  const found = (data ?? []).filter((each) => each.flowControlKey.toLowerCase().includes(piece.toLowerCase()));
  return html`
    <h1 tabindex="-1">Flow control</h1>
    ${
      whole &&
      html`<p class="lead">
        ${count(whole.parallelismCount, "delivery", "deliveries")} in progress; at most ${whole.parallelismMax} at once
        under all keys.
      </p>`
    }
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data?.length === 0 && html`<${NoKeys} />`}
    ${
      data?.length > 0 &&
      html`<div class="filters" role="search" aria-label="Filter keys">
          <${Search} value=${piece} label="Key contains" placeholder="Key" onSearch=${setPiece} />
        </div>
        <div class="scroller">
          <table role="table" class="list keys" aria-label="Flow-control keys">
            <thead role="rowgroup">
              <tr role="row">
                <th role="columnheader" scope="col">Key</th>
                <th role="columnheader" scope="col" class="number">Waiting</th>
                <th role="columnheader" scope="col">In progress</th>
                <th role="columnheader" scope="col">Rate</th>
                <th role="columnheader" scope="col"><span class="hidden">Actions</span></th>
              </tr>
            </thead>
            <tbody role="rowgroup">
              ${found
                .slice(0, SHOWN)
                .map((each) => html`<${KeyRow} key=${each.flowControlKey} of=${each} reload=${reload} />`)}
            </tbody>
          </table>
        </div>
        ${
          found.length > SHOWN &&
          html`<p class="muted">${count(found.length - SHOWN, "more key")}: type a part of the name.</p>`
        }
        ${found.length === 0 && html`<p class="muted">No key matches.</p>`}`
    }
  `;
}

function KeyRow({ of, reload }) {
  return html`<tr role="row">
    <td role="cell" class="at-run">
      <span class="named">
        <a class="id" href=${href(["flow", of.flowControlKey])}><${Mono}>${of.flowControlKey}</${Mono}></a>
        <${Marks} of=${of} />
      </span>
    </td>
    <td role="cell" class="number at-waiting">
      ${of.waitListSize.toLocaleString("en")}<span class="phone-word"> waiting</span>
    </td>
    <td role="cell" class="at-open">
      <${Used} used=${of.parallelismCount} most=${of.parallelismMax} what="in progress" />
    </td>
    <td role="cell" class="at-rate"><${Rate} of=${of} /></td>
    <td role="cell" class="at-actions"><${PauseButton} of=${of} reload=${reload} /></td>
  </tr>`;
}

function Marks({ of }) {
  const isPinned = of.isPinnedParallelism || of.isPinnedRate;
  return html`
    ${of.isPaused && html`<span class="mark is-paused">Paused</span>`}
    ${isPinned && html`<span class="mark">Pinned</span>`}
  `;
}

function Used({ used, most, what }) {
  const word = html`<span class="phone-word">${what}</span>`;
  if (most === undefined) {
    return html`<span class="used">${used.toLocaleString("en")} ${word} <span class="muted">no limit</span></span>`;
  }
  return html`<span class="used">
    <meter min="0" max=${most} value=${Math.min(used, most)} aria-label=${what}></meter>
    ${used} of ${most} ${word}
  </span>`;
}

function Rate({ of }) {
  if (of.rateMax === undefined) return html`<span class="muted">no <span class="phone-word">rate </span>limit</span>`;
  return html`<${Used} used=${of.rateCount} most=${of.rateMax} what="begun" />${" "}
    <span class="muted">per ${duration(of.ratePeriod * 1000)}</span>`;
}

const change = (key, what, { query, reload, done }) =>
  attempt(async () => {
    await ask("POST", `/v2/flowControl/${encodeURIComponent(key)}/${what}`, { query });
    notice(done);
    reload();
  });

function PauseButton({ of, reload }) {
  const key = of.flowControlKey;
  const [what, word, done] = of.isPaused
    ? ["resume", "Resume", `${key} is resumed.`]
    : ["pause", "Pause", `${key} is paused.`];
  return html`<button type="button" aria-label=${`${word} ${key}`} onClick=${() => change(key, what, { reload, done })}>
    ${word}
  </button>`;
}

function Key({ name }) {
  const { data, error, reload } = useAnswer(`/v2/flowControl/${encodeURIComponent(name)}`);
  const { data: queue, reload: reloadQueue } = useAnswer("/-/queue", { key: name });
  const again = () => {
    reload();
    reloadQueue();
  };
  return html`
    <p class="crumbs"><a href="#/flow">← Flow control</a></p>
    <div class="heading">
      <h1 tabindex="-1"><${Mono}>${name}</${Mono}></h1>
      ${data && html`<${Marks} of=${data} /><${KeyActions} of=${data} reload=${again} />`}
    </div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<${Loading} />`}
    ${
      data &&
      html`<dl class="facts">
          <div>
            <dt>Waiting</dt>
            <dd>${data.waitListSize.toLocaleString("en")}</dd>
          </div>
          <div>
            <dt>In progress</dt>
            <dd><${Used} used=${data.parallelismCount} most=${data.parallelismMax} what="in progress" /></dd>
          </div>
          <div>
            <dt>Rate</dt>
            <dd><${Rate} of=${data} /></dd>
          </div>
        </dl>
        <${Pin} of=${data} reload=${again} />`
    }
    ${queue && html`<${Queue} deliveries=${queue.deliveries} />`}
  `;
}

function KeyActions({ of, reload }) {
  const key = of.flowControlKey;
  const begin = () => change(key, "resetRate", { reload, done: "Started a new period." });
  return html`<div class="buttons actions">
    <${PauseButton} of=${of} reload=${reload} />
    ${of.rateMax !== undefined && html`<button type="button" onClick=${begin}>Start a new period</button>`}
    <a class="button" href=${href(["runs"], { key })}>Runs with this key</a>
  </div>`;
}

const NUMBERS = [
  ["parallelism", "Parallelism"],
  ["rate", "Rate"],
  ["period", "Period, seconds"],
];

function Pin({ of, reload }) {
  const [limits, setLimits] = useState({});
  const name = of.flowControlKey;
  const isPinned = of.isPinnedParallelism || of.isPinnedRate;
  const pin = (event) => {
    event.preventDefault();
    change(name, "pin", { query: limits, reload, done: "Pinned. Later runs cannot change the limits." });
  };
  const unpin = () =>
    change(name, "unpin", {
      query: { parallelism: true, rate: true },
      reload,
      done: "Unpinned. Later runs may change the limits.",
    });
  return html`<details class="pin">
    <summary>Override limits</summary>
    <form class="pin-form" onSubmit=${pin}>
      ${NUMBERS.map(
        ([field, word]) =>
          html`<label key=${field}
            >${word}
            <input
              type="number"
              min="1"
              step="1"
              value=${limits[field] ?? ""}
              onInput=${(event) => setLimits({ ...limits, [field]: event.target.value })}
          /></label>`,
      )}
      <button type="submit">Pin</button>
      ${isPinned && html`<button type="button" onClick=${unpin}>Unpin</button>`}
    </form>
  </details>`;
}

const KINDS = {
  init: "first delivery",
  step: "next step",
  call: "call",
  callResult: "result of a call",
  failure: "failure callback",
  plain: "message",
};

function Queue({ deliveries }) {
  return html`<section aria-labelledby="queue-title">
    <h2 id="queue-title">Queue</h2>
    ${
      deliveries.length === 0
        ? html`<p class="muted">The queue is empty.</p>`
        : html`<div class="scroller">
            <table role="table" class="list queue" aria-labelledby="queue-title">
              <thead role="rowgroup">
                <tr role="row">
                  <th role="columnheader" scope="col">Run</th>
                  <th role="columnheader" scope="col">Delivery</th>
                  <th role="columnheader" scope="col">Due</th>
                </tr>
              </thead>
              <tbody role="rowgroup">
                ${deliveries.map(
                  (each) =>
                    html`<tr key=${each.messageId} role="row">
                      <td role="cell" class="at-run">
                        ${
                          each.runId
                            ? html`<${RunLink} id=${each.runId} createdAt=${each.createdAt} />`
                            : html`<${Mono}>${each.messageId}</${Mono}>`
                        }
                      </td>
                      <td role="cell" class="at-progress">
                        ${KINDS[each.kind] ?? each.kind}${each.retried > 0 ? `, retry ${each.retried}` : ""}
                      </td>
                      <td role="cell" class="at-time"><${Ago} at=${each.dueAt} /></td>
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`
    }
  </section>`;
}

function NoKeys() {
  return html`<section class="empty">
    <h2>No flow-control keys yet</h2>
    <p>
      A key limits the concurrent deliveries of its runs, or their rate. To use one, name it in a manifest:
    </p>
    <${Command} label="Manifest" text=${"spec:\n  defaults:\n    flowControl: { key: onboarding, parallelism: 10 }"} />
  </section>`;
}
