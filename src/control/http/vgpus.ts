/** The routes of vGPUs. Those that change something exist only where the app is not read-only. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';
import { check } from '../checked.js';
import { PORT, portChange, resolveChange } from '../monitors.js';
import type { Pictures } from '../pictures.js';
import { monitorBody, scanBody, shareChange, vgpuSpec } from '../vgpu-spec.js';
import type { XenDomains } from '../xen/index.js';

type ById = { Params: { id: string } };
type AtPort = { Params: { id: string; port: string } };

/** By id or by name; a name is never digits alone, so the two cannot be confused. */
async function find(mediator: MediatorApi, key: string): Promise<VgpuInfo> {
  const all = await mediator.vgpus();
  const found = all.find((vgpu) => (/^\d+$/.test(key) ? vgpu.id === Number(key) : vgpu.name === key));
  if (found !== undefined) return found;
  const known = all.map((vgpu) => `${vgpu.name} (${vgpu.id})`).join(', ');
  throw new XengtError('XENGT_E_NOT_FOUND', `No vGPU "${key}"; there ${known === '' ? 'are none' : `is: ${known}`}`);
}

export function readVgpus(app: FastifyInstance, mediator: MediatorApi, pictures: Pictures): void {
  app.get('/v1/vgpus', async () => ({ vgpus: await mediator.vgpus() }));

  app.get<ById>('/v1/vgpus/:id', ({ params }) => find(mediator, params.id));

  app.get<ById>('/v1/vgpus/:id/unknown-registers', async ({ params }) => {
    const { id } = await find(mediator, params.id);
    return { registers: await mediator.unknownRegisters(id) };
  });

  app.get<ById>('/v1/vgpus/:id/snapshot', async ({ params }) => {
    const { id } = await find(mediator, params.id);
    return mediator.snapshot(id);
  });

  app.get<ById>('/v1/vgpus/:id/screen.png', async ({ params, headers }, reply): Promise<FastifyReply> => {
    const { id, name } = await find(mediator, params.id);
    const picture = await pictures.of(id);
    if (picture === null)
      throw new XengtError('XENGT_E_NOT_FOUND', `vGPU "${name}" shows nothing now: no pipe is active`);
    reply.header('etag', picture.etag).header('cache-control', 'no-cache');
    if (headers['if-none-match'] === picture.etag) return reply.code(304).send();
    return reply.type('image/png').send(picture.png);
  });
}

/** A domain may be given by name, and must be one of the host's: it becomes its number. What is none is left to the check. */
async function withDomain(body: unknown, domains: XenDomains): Promise<unknown> {
  if (typeof body !== 'object' || body === null || !('domain' in body && 'transport' in body)) return body;
  const { domain, transport } = body;
  if (transport !== 'xen') return body;
  const named = typeof domain === 'string' && domain !== '';
  if (!named && !(domains.followed && Number.isInteger(domain))) return body;
  return { ...body, domain: await domains.find(String(domain)) };
}

export function changeVgpus(app: FastifyInstance, mediator: MediatorApi, domains: XenDomains): void {
  app.post('/v1/vgpus', async ({ body }, reply) => {
    const created = await mediator.createVgpu(check(vgpuSpec, await withDomain(body, domains)));
    if (created.transport.kind === 'xen') await domains.changed();
    return reply.code(201).header('location', `/v1/vgpus/${created.id}`).send(created);
  });

  // An act, not a look: it takes the mediator as long as the guest has page tables.
  app.post<ById>('/v1/vgpus/:id/page-tables', async ({ params }) => {
    const { id, name } = await find(mediator, params.id);
    const audit = await mediator.auditPageTables(id);
    if (audit === null) throw new XengtError('XENGT_E_NOT_FOUND', `vGPU "${name}" has no guest now`);
    return audit;
  });

  app.delete<ById>('/v1/vgpus/:id', async ({ params }, reply) => {
    const { id, transport } = await find(mediator, params.id);
    await mediator.removeVgpu(id);
    if (transport.kind === 'xen') await domains.changed();
    return reply.code(204).send();
  });

  app.patch<ById>('/v1/vgpus/:id', async ({ params, body }) => {
    const change = check(shareChange, body);
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const { id, name } = await find(mediator, params.id);
    await mediator.setShare(id, given);
    return find(mediator, name);
  });

  app.post<ById>('/v1/vgpus/:id/revive', async ({ params }) => {
    const { id, name } = await find(mediator, params.id);
    await mediator.revive(id);
    return find(mediator, name);
  });

  app.post<ById>('/v1/vgpus/:id/reset', async ({ params }) => {
    const { id, name } = await find(mediator, params.id);
    await mediator.reset(id);
    return find(mediator, name);
  });

  app.put<ById>('/v1/vgpus/:id/monitor', async ({ params, body }) => {
    const { connected } = check(monitorBody, body);
    const { id, name } = await find(mediator, params.id);
    await mediator.setMonitor(id, connected);
    return find(mediator, name);
  });

  app.put<AtPort>('/v1/vgpus/:id/ports/:port', async ({ params, body }) => {
    const port = check(PORT, params.port, () => 'port');
    const change = check(portChange, body);
    const { id, name, ports } = await find(mediator, params.id);
    const { type = 'DP' } = ports.find((one) => one.port === port) ?? {};
    await mediator.setPort(id, port, resolveChange(change, type));
    return find(mediator, name);
  });

  app.put<ById>('/v1/vgpus/:id/scan-processes', async ({ params, body }) => {
    const { scanProcesses } = check(scanBody, body);
    const { id, name } = await find(mediator, params.id);
    await mediator.setScanProcesses(id, scanProcesses);
    return find(mediator, name);
  });
}
