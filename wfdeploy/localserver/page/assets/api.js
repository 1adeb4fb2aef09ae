// Requests to the server, with the token from the page.

export const config = JSON.parse(document.getElementById("config").textContent);

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// `query`: values that are null, undefined or empty are left out; a list is repeated.
export function pathTo(path, query = {}) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined && each !== "") pairs.append(name, each);
  }
  const text = pairs.toString();
  return text ? `${path}?${text}` : path;
}

// The JSON of the response, or null for an empty one.
// Throws Refusal with the server's message; TypeError without a response.
export async function ask(method, path, { query, body, signal } = {}) {
  const answer = await fetch(pathTo(path, query), {
    method,
    body,
    signal,
    headers: { Authorization: `Bearer ${config.token}` },
  });
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    // Not from this server: handled below.
  }
  if (!answer.ok) throw new Refusal(answer.status, value?.error ?? `the server answered ${answer.status}`);
  return value;
}

export const get = (path, query, signal) => ask("GET", path, { query, signal });

// Resumes or restarts a failed run (`how`: "resume" or "restart"); the new run.
export const retryRun = (how, dlqId) => ask("POST", `/v2/workflows/dlq/${how}/${encodeURIComponent(dlqId)}`);

export async function retryMany(how, dlqIds) {
  const { workflowRuns } = await ask("POST", `/v2/workflows/dlq/${how}`, { query: { dlqIds, count: dlqIds.length } });
  return workflowRuns;
}
