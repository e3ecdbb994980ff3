/** What the page asks of the daemon. Refusals come back as one sentence and what to do about it. */
import type { MediatorStats, Timelines, TypeInfo, VgpuInfo } from '../mediator/api.js';

export type { MediatorStats, Timelines, TypeInfo, VgpuInfo };

/** Longest that a look may take; a daemon that hangs is one that does not answer. */
const PATIENCE_MS = 5000;

/** An answer other than the one that was hoped for. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(path, {
    method,
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MS),
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (answer.status === 204) return undefined;
  const content: unknown = await answer.json();
  if (answer.ok) return content;
  const problem = content as { readonly detail?: string; readonly remedy?: string };
  throw new Refusal(answer.status, [problem.detail ?? answer.statusText, problem.remedy ?? ''].join('. ').trim());
}

export const api = {
  stats: () => ask('GET', 'v1/stats') as Promise<MediatorStats>,
  vgpus: async () => ((await ask('GET', 'v1/vgpus')) as { vgpus: VgpuInfo[] }).vgpus,
  types: async () => ((await ask('GET', 'v1/types')) as { types: TypeInfo[] }).types,
  timelines: (since: number) => ask('GET', `v1/timelines?since=${since}`) as Promise<Timelines>,
  create: (spec: object) => ask('POST', 'v1/vgpus', spec),
  remove: (id: number) => ask('DELETE', `v1/vgpus/${id}`),
  weigh: (id: number, weight: number) => ask('PATCH', `v1/vgpus/${id}`, { weight }),
};
