// Change events from the server, and data that follows them.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { config, get, pathTo } from "./api.js";
import { setServerTime } from "./clock.js";

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
    const sent = JSON.parse(event.data);
    // Another database on the same port: all data on this page is obsolete.
    if (sent.serverId !== config.serverId) location.reload();
    setServerTime(sent.now);
    const { inProgress, deadLetters } = sent;
    // Counted here, since a restarted server counts from the beginning.
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

// A browser opens at most six connections to one server, so a hidden page closes its own.
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

// The response of a path, requested again after each change, less often if the server is slow.
// { data, error, isStale, reload }: `data` stays while a new response is pending; `isStale`: data of another path.
export function useAnswer(path, query) {
  const wanted = pathTo(path, query);
  const { change, paused, connection } = useLive();
  const [answer, setAnswer] = useState({ of: null, data: null, error: null });
  const asking = useRef({ wanted: null, again: null, controller: null, timer: null });

  // `why`: a "change" is skipped if the page is paused meanwhile, a "request" is not.
  const load = useCallback(async (why) => {
    const own = asking.current;
    if (own.controller) {
      own.again = own.again === "request" ? "request" : why;
      return;
    }
    const controller = (own.controller = new AbortController());
    const began = performance.now();
    try {
      const data = await get(wanted, {}, controller.signal);
      if (data?.now) setServerTime(data.now);
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
          if (again === "request" || (again && !state.paused)) load(again);
        }, rest);
      }
    }
  }, [wanted]);

  // Another path: the pending request for the previous one is aborted.
  useEffect(() => {
    const own = asking.current;
    own.wanted = wanted;
    load("request");
    return () => {
      own.controller?.abort();
      clearTimeout(own.timer);
      Object.assign(own, { wanted: null, again: null, controller: null });
    };
  }, [load]);

  const reload = useCallback(() => load("request"), [load]);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current && !paused && connection === "live") load("change");
    first.current = false;
  }, [change, paused, connection]);

  return { data: answer.data, error: answer.error, isStale: answer.of !== wanted, reload };
}
