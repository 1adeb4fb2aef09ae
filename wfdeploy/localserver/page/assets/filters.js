// Filters of a list: a search box, and chips for exact values.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { Icon } from "./parts.js";

const TYPING_MS = 200;

// A search box; `/` focuses it (app.js). `onSearch` is called when typing pauses.
export function Search({ value, label, placeholder, onSearch }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const latest = useRef(onSearch);
  latest.current = onSearch;
  // The value that comes back from the address bar must not undo later typing.
  useEffect(() => {
    if (value !== sent.current) setText((sent.current = value));
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return undefined;
    const timer = setTimeout(() => latest.current((sent.current = text)), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<label class="search">
    <span class="hidden">${label}</span>
    <${Icon} name="search" />
    <input
      type="search"
      id="search"
      placeholder=${placeholder}
      spellcheck="false"
      autocomplete="off"
      value=${text}
      onInput=${(event) => setText(event.target.value)}
    />
    <kbd aria-hidden="true">/</kbd>
  </label>`;
}

// A filter by one value, with a link that removes it.
export function Chip({ word, value, without }) {
  return html`<a class="chip" href=${without} aria-label=${`Remove the filter ${word} ${value}`}>
    <span class="muted">${word}</span> <bdi>${value}</bdi> <span aria-hidden="true">✕</span>
  </a>`;
}
