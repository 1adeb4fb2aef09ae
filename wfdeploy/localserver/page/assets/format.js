// Format values for people.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// "480 ms", "2.4 s", "3 m 5 s", "2 h 10 m", "3 d 4 h"
export function duration(ms) {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(ms < 10 * SECOND ? 1 : 0)} s`;
  if (ms < HOUR) return two(ms, MINUTE, "m", SECOND, "s");
  if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "m");
  return two(ms, DAY, "d", HOUR, "h");
}

function two(ms, large, largeName, small, smallName) {
  const whole = Math.floor(ms / large);
  const rest = Math.floor((ms % large) / small);
  return rest ? `${whole} ${largeName} ${rest} ${smallName}` : `${whole} ${largeName}`;
}

// "just now", "12 s ago", "in 3 m 5 s": the past is shown in one unit
export function ago(at, now) {
  if (at > now) return `in ${duration(at - now)}`;
  const distance = now - at;
  if (distance < 2 * SECOND) return "just now";
  const [size, name] = [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "m"],
    [SECOND, "s"],
  ].find(([each]) => distance >= each);
  return `${Math.floor(distance / size)} ${name} ago`;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function absolute(at) {
  return DATE.format(new Date(at));
}

const EXACT = new Intl.DateTimeFormat(undefined, {
  ...{ year: "numeric", month: "short", day: "numeric" },
  ...{ hour: "numeric", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 },
});

// To the millisecond.
export function exact(at) {
  return EXACT.format(new Date(at));
}

export function clockTime(at) {
  return CLOCK.format(new Date(at));
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

// JSON indented, other text unchanged; a huge text is not parsed.
export function pretty(text) {
  if (text.length > 200_000 || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// An error of the SDKs, { error, message, stack }, as its stack or message.
export function readable(text) {
  const value = parsed(text);
  if (typeof value?.stack === "string") return value.stack;
  return typeof value?.message === "string" ? `${value.error ?? "Error"}: ${value.message}` : pretty(text);
}

// The value of a JSON text, or undefined.
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// The JavaScript SDK decodes a call's response as Latin-1; text that was UTF-8 is restored.
export function unmangled(text) {
  if (!/[\u0080-\u00ff]/.test(text) || /[^\u0000-\u00ff]/.test(text)) return text;
  return fromBase64(btoa(text)) ?? text;
}

// The text of Base64-encoded UTF-8, or undefined if it is not that.
export function fromBase64(text) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
