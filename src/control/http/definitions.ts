/** The routes of definitions: vGPUs that are kept. Those that change something exist only where the app is not read-only. */
import type { FastifyInstance } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';
import { check, flag, record } from '../checked.js';
import { activeOf, type Definition, type Definitions } from '../definitions/index.js';
import { specOf, vgpuSpec } from '../vgpu-spec.js';
import type { XenDomains } from '../xen/index.js';

type ByName = { Params: { name: string } };

/** Without `vgpu`: the one of that name that runs, as it is. */
export const definitionBody = record({ autostart: flag().optional(), vgpu: vgpuSpec.optional() });
export const autostartBody = record({ autostart: flag() });

const viewOf = (definition: Definition, vgpus: readonly VgpuInfo[]) => ({
  ...definition,
  active: activeOf(definition.name, vgpus) !== undefined,
});

export function readDefinitions(app: FastifyInstance, mediator: MediatorApi, definitions: Definitions): void {
  app.get('/v1/definitions', async () => {
    const { definitions: known, damaged } = definitions.known();
    const vgpus = await mediator.vgpus();
    return { definitions: known.map((one) => viewOf(one, vgpus)), damaged };
  });

  app.get<ByName>('/v1/definitions/:name', async ({ params }) =>
    viewOf(definitions.get(params.name), await mediator.vgpus()),
  );
}

export function changeDefinitions(
  app: FastifyInstance,
  mediator: MediatorApi,
  definitions: Definitions,
  domains: XenDomains,
): void {
  const running = async (name: string): Promise<VgpuInfo> => {
    const found = activeOf(name, await mediator.vgpus());
    if (found !== undefined) return found;
    throw new XengtError('XENGT_E_NOT_FOUND', `No vGPU "${name}" runs now`);
  };

  app.put<ByName>('/v1/definitions/:name', async ({ params: { name }, body, headers }) => {
    const { autostart = false, vgpu } = check(definitionBody, body ?? {});
    if (vgpu !== undefined && vgpu.name !== name) {
      throw new XengtError(
        'XENGT_E_CONFIG',
        `vgpu.name: "${vgpu.name}" is not allowed; allowed: ${name}, as in the path`,
      );
    }
    const seen = headers['if-match']?.replace(/^"(.*)"$/, '$1') ?? null;
    const made = await definitions.define(vgpu ?? specOf(await running(name)), autostart, seen);
    return viewOf(made, await mediator.vgpus());
  });

  app.patch<ByName>('/v1/definitions/:name', async ({ params: { name }, body }) => {
    const changed = await definitions.setAutostart(name, check(autostartBody, body).autostart);
    return viewOf(changed, await mediator.vgpus());
  });

  app.delete<ByName>('/v1/definitions/:name', async ({ params: { name } }, reply) => {
    await definitions.undefine(name);
    return reply.code(204).send();
  });

  app.post<ByName>('/v1/definitions/:name/start', async ({ params: { name } }, reply) => {
    const created = await mediator.createVgpu(definitions.spec(name));
    if (created.transport.kind === 'xen') await domains.changed();
    return reply.code(201).header('location', `/v1/vgpus/${created.id}`).send(created);
  });

  // Not from under a guest: who means that removes the vGPU.
  app.post<ByName>('/v1/definitions/:name/stop', async ({ params: { name } }, reply) => {
    definitions.get(name);
    const { id, state, transport } = await running(name);
    if (state !== 'waiting' && transport.kind !== 'replay') {
      throw new XengtError('XENGT_E_BUSY', `A guest uses "${name}": it is ${state}`);
    }
    await mediator.removeVgpu(id);
    if (transport.kind === 'xen') await domains.changed();
    return reply.code(204).send();
  });
}
