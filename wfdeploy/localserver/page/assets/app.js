// The page: frame, navigation, keyboard shortcut.
import { render } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import { html } from "./html.js";
import { DeadLetters } from "./dead_letters.js";
import { Flow } from "./flow.js";
import { pause, start, useLive } from "./live.js";
import { Notices } from "./notices.js";
import { Trouble } from "./parts.js";
import { usePlace } from "./router.js";
import { Run } from "./run.js";
import { Runs } from "./runs.js";

const PLACES = {
  runs: {
    title: "Runs",
    of: ({ parts, query }) =>
      parts.length > 1
        ? html`<${Run} id=${parts[1]} createdAt=${parts[2]} key=${`${parts[1]}/${parts[2]}`} />`
        : html`<${Runs} query=${query} />`,
  },
  "dead-letters": { title: "Dead letters", of: ({ query }) => html`<${DeadLetters} query=${query} />` },
  flow: { title: "Flow control", of: ({ parts }) => html`<${Flow} chosen=${parts[1]} />` },
};

function App() {
  const place = usePlace();
  const main = useRef(null);
  const [name, about] = place.parts;
  const here = PLACES[name];
  const path = place.parts.join("/");
  const moved = useRef(false);
  useEffect(() => {
    document.title = `${about ?? here?.title ?? "Nowhere"} · wfdeploy dev`;
    // After navigation the heading gets the focus, so that screen readers read it; filtering is no navigation.
    if (moved.current) main.current.querySelector("h1")?.focus();
    moved.current = true;
  }, [path]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => skip(event, main.current)}>Skip to content</a>
    <${Top} name=${name} />
    <main id="main" ref=${main} tabindex="-1">
      <${Guarded} key=${path}>${here ? here.of(place) : html`<${Nowhere} />`}</${Guarded}>
    </main>
    <${Notices} />
  `;
}

// An error in one view does not break the page.
function Guarded({ children }) {
  const [error] = useErrorBoundary(console.error);
  return error ? html`<h1 tabindex="-1">This cannot be shown</h1><${Trouble} error=${error} />` : children;
}

function skip(event, main) {
  event.preventDefault(); // the hash is the location
  main.focus();
}

function Top({ name }) {
  const { inProgress, deadLetters } = useLive();
  const numbers = { runs: [inProgress, "in progress", ""], "dead-letters": [deadLetters, "waiting", "is-failed"] };
  return html`<header class="top">
    <div class="top-inner">
      <a class="brand" href="#/runs"
        ><img src="/-/assets/icon.svg" alt="" width="18" height="18" /> wfdeploy <span>dev</span></a
      >
      <nav aria-label="Main">
        ${Object.entries(PLACES).map(([each, { title }]) => {
          const [number, word, look] = numbers[each] ?? [];
          return html`<a key=${each} href=${`#/${each}`} aria-current=${each === name ? "page" : undefined}>
            ${title} ${number > 0 && html`<${Badge} number=${number} word=${word} look=${look} />`}
          </a>`;
        })}
      </nav>
      <${Connection} />
    </div>
  </header>`;
}

function Badge({ number, word, look }) {
  return html`<span class="badge ${look}">${number.toLocaleString("en")}<span class="hidden"> ${word}</span></span>`;
}

const CONNECTIONS = { live: "Live", connecting: "Connecting", lost: "Disconnected" };

function Connection() {
  const { connection, paused } = useLive();
  const word = paused && connection === "live" ? "Paused" : CONNECTIONS[connection];
  return html`<div class="connection">
    <span class="pulse is-${word.toLowerCase()}" role="status">${word}</span>
    <button
      type="button"
      class="quiet"
      aria-pressed=${String(paused)}
      onClick=${() => pause(!paused)}
      title="Pause or continue live updates"
    >
      ${paused ? "Continue" : "Pause"}
    </button>
  </div>`;
}

function Nowhere() {
  return html`<h1 tabindex="-1">Nothing here</h1>
    <p>There is no such view. <a href="#/runs">Show the runs</a></p>`;
}

// `/` focuses the search, except while typing.
addEventListener("keydown", (event) => {
  const isWriting = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isWriting) return;
  const search = document.getElementById("search");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

start();
render(html`<${App} />`, document.getElementById("app"));
