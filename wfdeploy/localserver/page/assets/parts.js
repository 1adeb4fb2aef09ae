// Components that several views share.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { useNow } from "./clock.js";
import { href } from "./router.js";
import { absolute, ago, duration, pretty, readable } from "./format.js";

const SHAPES = {
  done: "M3.5 8.4l3 3 6-6.6",
  failed: "M4.5 4.5l7 7m0-7l-7 7",
  canceled: "M4 8h8",
  progress: "M8 4.2V8l2.6 1.8",
  asleep: "M5 5h6l-6 6h6",
  retry: "M12 8a4 4 0 1 1-1.2-2.9M12 3v2.6H9.4",
  copy: "M6 6h6.5v6.5H6zM3.5 10V3.5H10",
  search: "M7 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm3-1l3.5 3.5",
};

export function Icon({ name, ring = false }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    ${ring && html`<circle cx="8" cy="8" r="7" />`}
    <path d=${SHAPES[name]} />
  </svg>`;
}

export const STATES = {
  RUN_STARTED: { word: "In progress", look: "progress" },
  RUN_SUCCESS: { word: "Succeeded", look: "done" },
  RUN_FAILED: { word: "Failed", look: "failed" },
  RUN_CANCELED: { word: "Cancelled", look: "canceled" },
};

export function State({ state }) {
  const { word, look } = STATES[state] ?? { word: state, look: "progress" };
  return html`<span class="state is-${look}"><${Icon} name=${look} ring />${word}</span>`;
}

export function Ago({ at }) {
  const now = useNow();
  return html`<time datetime=${new Date(at).toISOString()} title=${absolute(at)}>${ago(at, now)}</time>`;
}

// How long something took, or has taken until now.
export function Took({ from, to }) {
  const now = useNow(to === null || to === undefined);
  return html`<span class="took">${duration((to ?? now) - from)}</span>`;
}

// Foreign text in one line; isolated, so that its direction and control characters change nothing else.
export function Mono({ children, title }) {
  return html`<bdi class="mono" title=${title}>${children}</bdi>`;
}

export function Labels({ labels, link }) {
  if (labels.length === 0) return null;
  return html`<ul class="labels" aria-label="Labels">
    ${labels.map(
      (label) =>
        html`<li key=${label}><a href=${link(label)} title="Only runs with this label">${label}</a></li>`,
    )}
  </ul>`;
}

export function Copy({ text, what }) {
  const [outcome, setOutcome] = useState(null);
  useEffect(() => {
    if (!outcome) return undefined;
    const timer = setTimeout(() => setOutcome(null), 1500);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setOutcome("Copied"),
      () => setOutcome("Not allowed"),
    );
  return html`<button type="button" class="quiet copy" onClick=${copy} aria-label=${`Copy ${what}`}>
    <${Icon} name=${outcome === "Copied" ? "done" : "copy"} />${outcome ?? "Copy"}
  </button>`;
}

const REDACTED = /^REDACTED:[0-9a-f]{64}$/;

// A body: JSON indented, other text unchanged. `cutAt`: it may have been cut after so many bytes.
// `isError`: show an SDK's error as its stack.
export function Body({ text, label, cutAt = null, onWhole, isError = false }) {
  if (text === undefined || text === null) return null;
  if (REDACTED.test(text)) {
    return html`<p class="redacted">
      Redacted; its SHA-256 begins with <span class="mono">${text.slice(9, 21)}</span>
    </p>`;
  }
  if (text === "") return html`<p class="muted">Empty</p>`;
  const isCut = cutAt !== null && new TextEncoder().encode(text).length > cutAt - 4;
  return html`<div class="body">
    <pre tabindex="0" role="group" aria-label=${label}>${isError ? readable(text) : pretty(text)}</pre>
    <${Copy} text=${text} what=${label.toLowerCase()} />
    ${
      isCut &&
      html`<p class="muted cut">
        Truncated. <button type="button" class="link" onClick=${onWhole}>Show all</button>
      </p>`
    }
  </div>`;
}

export function Headers({ headers, label }) {
  const names = Object.keys(headers ?? {}).sort();
  if (names.length === 0) return null;
  return html`<details class="headers">
    <summary>${label} <span class="muted">${names.length}</span></summary>
    <dl class="pairs">
      ${names.map(
        (name) =>
          html`<dt key=${`${name}:`}>${name}</dt>
            <dd key=${name}>${[headers[name]].flat().join(", ")}</dd>`,
      )}
    </dl>
  </details>`;
}

export function Command({ text, label }) {
  return html`<div class="command">
    <pre tabindex="0" role="group" aria-label=${label}>${text}</pre>
    <${Copy} text=${text} what=${label.toLowerCase()} />
  </div>`;
}

export function Trouble({ error, onRetry }) {
  const words = error instanceof TypeError ? "The server does not answer. Is `wfdeploy dev` running?" : error.message;
  return html`<p class="trouble" role="alert">
    <${Icon} name="failed" ring /> ${words}
    ${onRetry && html`<button type="button" class="link" onClick=${onRetry}>Try again</button>`}
  </p>`;
}

export function Loading() {
  return html`<p class="muted loading">Loading…</p>`;
}

// Asks for confirmation of something irreversible. `question`: { title, text, action, run } or null.
export function Confirm({ question, onClose }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (question && !dialog.current.open) dialog.current.showModal();
  }, [question]);
  const answer = () => {
    dialog.current.close();
    question.run();
  };
  return html`<dialog ref=${dialog} onClose=${onClose} aria-labelledby="question">
    ${
      question &&
      html`<h2 id="question">${question.title}</h2>
        <p>${question.text}</p>
        <div class="buttons">
          <button type="button" onClick=${() => dialog.current.close()}>${question.keep ?? "Keep"}</button>
          <button type="button" class="danger" onClick=${answer}>${question.action}</button>
        </div>`
    }
  </dialog>`;
}

// A link to a run, by its id.
export function RunLink({ id, createdAt }) {
  return html`<a class="id" href=${href(["runs", id, String(createdAt)])}><${Mono}>${id}</${Mono}></a>`;
}

// An endpoint's URL, as a link to the entries with this URL.
export function UrlLink({ url, to, what }) {
  return html`<a class="url" href=${to({ url })} title=${`${url}\nOnly ${what} of this URL`}>
    <${Mono}>${url}</${Mono}>
  </a>`;
}

// Paging towards older entries; back with the browser, or to the first page.
export function Pager({ newest, older, isFirst }) {
  if (isFirst && !older) return null;
  return html`<nav class="pager" aria-label="Pages">
    ${isFirst ? html`<span></span>` : html`<a class="button" href=${newest}>← Newest</a>`}
    ${older && html`<a class="button" href=${older}>Older →</a>`}
  </nav>`;
}
