// What the server tells of changes, and data that follows them.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { config, get, pathTo } from "./api.js";
import { heard } from "./clock.js";

const watchers = new Set();
let state = { connection: "connecting", paused: false, change: 0, inProgress: null, deadLetters: null };
let source = null;

function update(changed) {
  state = { ...state, ...changed };
  for (const watcher of watchers) watcher(state);
}

function connect() {
  source = new EventSource(pathTo("/-/events", { qstash_token: config.token }));
  source.onmessage = (event) => {
    const told = JSON.parse(event.data);
    // Another database behind the same port: nothing on this page holds any more.
    if (told.serverId !== config.serverId) location.reload();
    heard(told.now);
    const { inProgress, deadLetters } = told;
    // Counted here, since a server that was started again counts from the beginning.
    update({ connection: "live", change: state.change + 1, inProgress, deadLetters });
  };
  source.onerror = () => {
    update({ connection: "lost" });
    if (source.readyState === EventSource.CLOSED) setTimeout(reconnect, 2000);
  };
}

function disconnect() {
  source?.close();
  source = null;
}

function reconnect() {
  if (document.hidden) return;
  disconnect();
  connect();
}

// A browser opens six connections to one server at most; a page that nobody sees shall not hold one.
export function start() {
  connect();
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : reconnect()));
}

export function pause(paused) {
  update({ paused });
}

export function useLive() {
  const [seen, setSeen] = useState(state);
  useEffect(() => {
    watchers.add(setSeen);
    setSeen(state);
    return () => watchers.delete(setSeen);
  }, []);
  return seen;
}

const LEAST_GAP_MS = 400;

// The answer of a path, asked again after each change, but for a slow answer no more often than the server bears.
// { data, error, isStale, reload }: `data` stays while a new answer is on its way; `isStale` is data of another path.
export function useAnswer(path, query) {
  const wanted = pathTo(path, query);
  const { change, paused, connection } = useLive();
  const [answer, setAnswer] = useState({ of: null, data: null, error: null });
  const asking = useRef({ wanted: null, again: null, controller: null, timer: null });

  // `why`: "change" is passed over when the page was paused meanwhile, "asked" is not.
  const load = useCallback(async (why) => {
    const own = asking.current;
    if (own.controller) {
      own.again = own.again === "asked" ? "asked" : why;
      return;
    }
    const controller = (own.controller = new AbortController());
    const began = performance.now();
    try {
      const data = await get(wanted, {}, controller.signal);
      if (data?.now) heard(data.now);
      if (own.wanted === wanted) setAnswer({ of: wanted, data, error: null });
    } catch (error) {
      if (own.wanted === wanted)
        setAnswer((last) => ({ of: wanted, data: last.of === wanted ? last.data : null, error }));
    } finally {
      if (own.controller === controller) {
        const rest = Math.max(LEAST_GAP_MS, 4 * (performance.now() - began));
        own.timer = setTimeout(() => {
          const { again } = own;
          Object.assign(own, { controller: null, again: null });
          if (again === "asked" || (again && !state.paused)) load(again);
        }, rest);
      }
    }
  }, [wanted]);

  // Another path: what is under way for the one before is let go of.
  useEffect(() => {
    const own = asking.current;
    own.wanted = wanted;
    load("asked");
    return () => {
      own.controller?.abort();
      clearTimeout(own.timer);
      Object.assign(own, { wanted: null, again: null, controller: null });
    };
  }, [load]);

  const reload = useCallback(() => load("asked"), [load]);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current && !paused && connection === "live") load("change");
    first.current = false;
  }, [change, paused, connection]);

  return { data: answer.data, error: answer.error, isStale: answer.of !== wanted, reload };
}
