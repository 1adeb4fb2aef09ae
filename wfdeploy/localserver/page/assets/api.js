// Requests to the server, with the token that came with the page.

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

// The JSON of the answer, or null where it has none.
// Throws Refusal with the server's words; TypeError where there is no answer.
export async function ask(method, path, { query, body, signal } = {}) {
  const answer = await fetch(pathTo(path, query), {
    method,
    body,
    signal,
    headers: { Authorization: `Bearer ${config.token}` },
  });
  const text = await answer.text();
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    // Not ours: shown as it is, below.
  }
  if (!answer.ok) throw new Refusal(answer.status, told?.error ?? `the server answered ${answer.status}`);
  return told;
}

export const get = (path, query, signal) => ask("GET", path, { query, signal });
