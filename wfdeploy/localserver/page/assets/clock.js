// The server's time, which need not be this machine's: it may run faster (`--time-scale`), or stand still.
import { useEffect, useState } from "preact/hooks";

let last = { local: Date.now(), server: Date.now() };
let base = null; // what the rate is told by
let rate = 1;

export const serverNow = () => last.server + (Date.now() - last.local) * rate;

// `now`: what the server said just now, Unix milliseconds.
export function heard(now) {
  last = { local: Date.now(), server: now };
  base ??= last;
  const passed = last.local - base.local;
  if (passed < 1000) return;
  const told = Math.max(0, (last.server - base.server) / passed);
  rate = Math.abs(told - 1) < 0.1 ? 1 : told; // an answer that took its time makes no other clock
  base = last;
}

const watchers = new Set();
let timer = null;

function tick() {
  for (const watcher of watchers) watcher(serverNow());
}

// The server's time, anew each second while `runs` is true.
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
