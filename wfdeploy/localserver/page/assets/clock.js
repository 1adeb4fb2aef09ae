// The server's time, which need not be this machine's: it may be scaled, or stand still.
import { useEffect, useState } from "preact/hooks";

let ahead = 0; // milliseconds

export const serverNow = () => Date.now() + ahead;

export function heard(now) {
  ahead = now - Date.now();
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
