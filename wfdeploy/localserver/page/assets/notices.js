// The outcome of an action: shown for a while, and read out by screen readers.
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Icon } from "./parts.js";

const SHOWN_MS = 8000;

let show = () => {};

// `link`: { href, text } or null.
export function notice(text, { link = null, isError = false } = {}) {
  show({ text, link, isError });
}

// Runs an action and shows its error.
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    notice(error instanceof TypeError ? "The server does not answer." : error.message, { isError: true });
    return false;
  }
}

export function Notices() {
  const [shown, setShown] = useState(null);
  show = setShown;
  useEffect(() => {
    if (!shown || shown.isError) return undefined;
    const timer = setTimeout(() => setShown(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  return html`<div class="notices" role="status" aria-live="polite">
    ${
      shown &&
      html`<p class="notice ${shown.isError ? "is-error" : ""}">
        <${Icon} name=${shown.isError ? "failed" : "done"} ring />
        <span>${shown.text} ${shown.link && html`<a href=${shown.link.href}>${shown.link.text}</a>`}</span>
        <button type="button" class="quiet" aria-label="Close this message" onClick=${() => setShown(null)}>✕</button>
      </p>`
    }
  </div>`;
}
