// Giving failed runs another chance, by the API.
import { ask } from "./api.js";

// `how`: "resume" or "restart". Tells the new run.
export function revive(how, dlqId) {
  return ask("POST", `/v2/workflows/dlq/${how}/${encodeURIComponent(dlqId)}`);
}

export async function reviveMany(how, dlqIds) {
  const { workflowRuns } = await ask("POST", `/v2/workflows/dlq/${how}`, { query: { dlqIds, count: dlqIds.length } });
  return workflowRuns;
}
