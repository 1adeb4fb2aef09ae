// The server's time. It may differ from this machine's: run faster (`--time-scale`), or stand still.
import { useEffect, useState } from "preact/hooks";

let last = { local: Date.now(), server: Date.now() };
let base = null; // the start of measuring the rate
let rate = 1;

export const serverNow = () => last.server + (Date.now() - last.local) * rate;

// `now`: the server's time in its last response, Unix milliseconds.
export function setServerTime(now) {
  last = { local: Date.now(), server: now };
  base ??= last;
  const passed = last.local - base.local;
  if (passed < 1000) return;
  const measured = Math.max(0, (last.server - base.server) / passed);
  rate = Math.abs(measured - 1) < 0.1 ? 1 : measured; // a slow response does not count as another rate
  base = last;
}

const watchers = new Set();
let timer = null;

function tick() {
  for (const watcher of watchers) watcher(serverNow());
}

// The server's time, updated every second while `runs` is true.
export function useNow(runs = true) {
  const [, setNow] = useState(0);
  useEffect(() => {
    if (!runs) return undefined;
    watchers.add(setNow);
    timer ??= setInterval(tick, 1000);
    return () => {
      watchers.delete(setNow);
      if (watchers.size === 0) {
        clearInterval(timer);
        timer = null;
      }
    };
  }, [runs]);
  return serverNow();
}
