/** The routes of the device as a whole: types, engines, guests, numbers. None of them changes anything. */
import type { FastifyInstance } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi } from '../../mediator/api.js';
import { guestNamed, guestsOf, known } from './guests.js';

type ByName = { Params: { name: string } };
type ByVm = { Params: { vm: string } };

async function enginesOf(mediator: MediatorApi) {
  const stats = await mediator.stats();
  return stats.engines.map((engine) => ({
    ...engine,
    perVgpu: Object.fromEntries(stats.vgpus.map((vgpu) => [vgpu.id, vgpu.gpuSeconds[engine.name] ?? 0])),
  }));
}

function named<T extends { readonly name: string }>(what: string, name: string, all: readonly T[]): T {
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new XengtError('XENGT_E_NOT_FOUND', `No ${what} "${name}"; ${known(all.map((one) => one.name))}`);
}

export function readDevice(app: FastifyInstance, mediator: MediatorApi): void {
  app.get('/v1/types', async () => ({ types: await mediator.types() }));
  app.get<ByName>('/v1/types/:name', async ({ params }) => named('type', params.name, await mediator.types()));
  app.get('/v1/engines', async () => ({ engines: await enginesOf(mediator) }));
  app.get<ByName>('/v1/engines/:name', async ({ params }) => named('engine', params.name, await enginesOf(mediator)));
  app.get('/v1/guests', async () => ({ guests: guestsOf(await mediator.stats()) }));
  app.get<ByVm>('/v1/guests/:vm', ({ params }) => guestNamed(mediator, params.vm));
  app.get('/v1/isolation', () => mediator.isolation());
  app.get('/v1/stats', () => mediator.stats());
}
