/**
 * Every request that the API serves (pages are none), declared once: OpenAPI is generated from it, and a test holds it against the routes that
 * there are. Bodies are the schemas that requests are checked with.
 */
import { z } from 'zod';
import { portChange } from '../monitors.js';
import { monitorBody, scanBody, shareChange, vgpuSpec } from '../vgpu-spec.js';
import { autostartBody, definitionBody } from './definitions.js';
import { EVENT_NAMES } from './events.js';
import {
  auditShape,
  damagedShape,
  definitionShape,
  engineShape,
  guestShape,
  isolationShape,
  snapshotShape,
  statsShape,
  timelinesShape,
  treeShape,
  typeShape,
  unknownRegisterShape,
  vgpuShape,
} from './shapes.js';
import { valueBody, writesBody } from './tree-bodies.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Operation {
  readonly method: Method;
  /** As the router has it: `:id` is a parameter, a final `*` a path. */
  readonly path: string;
  readonly tag: 'vGPUs' | 'definitions' | 'guests' | 'device' | 'tree' | 'events';
  readonly summary: string;
  /** Optional keys of the query, and what they are. */
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  readonly status: number;
  /** Schema of a JSON answer, or the media type of another. Absent: no content. */
  readonly answer?: z.ZodType | string;
  /** Statuses of the refusals that are its own; 400 and 500 any request may get. */
  readonly refusals: readonly number[];
}

const JSON_TYPE = 'application/json';
const many = <K extends string>(key: K, of: z.ZodType) => z.object({ [key]: z.array(of) });

function get(path: string, tag: Operation['tag'], summary: string, answer: z.ZodType | string, ...refusals: number[]) {
  return { method: 'GET', path, tag, summary, status: 200, answer, refusals } satisfies Operation;
}

export const OPERATIONS: readonly Operation[] = [
  get('/v1/vgpus', 'vGPUs', 'All vGPUs.', many('vgpus', vgpuShape)),
  {
    method: 'POST',
    path: '/v1/vgpus',
    tag: 'vGPUs',
    summary: 'Make a vGPU. What does not fit is refused with what is missing and who holds it.',
    body: vgpuSpec,
    status: 201,
    answer: vgpuShape,
    refusals: [404, 409, 501, 502, 507],
  },
  get('/v1/vgpus/:id', 'vGPUs', 'One vGPU, by id or name.', vgpuShape, 404),
  {
    method: 'PATCH',
    path: '/v1/vgpus/:id',
    tag: 'vGPUs',
    summary: 'Change how it shares the engines, from the next period on.',
    body: shareChange,
    status: 200,
    answer: vgpuShape,
    refusals: [404],
  },
  {
    method: 'DELETE',
    path: '/v1/vgpus/:id',
    tag: 'vGPUs',
    summary: 'Remove it; its guest loses the device.',
    status: 204,
    refusals: [404, 409],
  },
  {
    method: 'PUT',
    path: '/v1/vgpus/:id/monitor',
    tag: 'vGPUs',
    summary: 'Plug or unplug its virtual monitor.',
    body: monitorBody,
    status: 200,
    answer: vgpuShape,
    refusals: [404],
  },
  {
    method: 'PUT',
    path: '/v1/vgpus/:id/ports/:port',
    tag: 'vGPUs',
    summary:
      'Change the monitor of a port: plug, EDID or mode line, connected or not; the driver of its guest follows.',
    body: portChange,
    status: 200,
    answer: vgpuShape,
    refusals: [404],
  },
  {
    method: 'PUT',
    path: '/v1/vgpus/:id/scan-processes',
    tag: 'vGPUs',
    summary: "Which engines' batches of processes are judged.",
    body: scanBody,
    status: 200,
    answer: vgpuShape,
    refusals: [404, 409],
  },
  {
    method: 'POST',
    path: '/v1/vgpus/:id/revive',
    tag: 'vGPUs',
    summary: 'Take it out of failsafe.',
    status: 200,
    answer: vgpuShape,
    refusals: [404, 409],
  },
  {
    method: 'POST',
    path: '/v1/vgpus/:id/reset',
    tag: 'vGPUs',
    summary: 'Reset its PCI device under its guest, whose driver does not expect that.',
    status: 200,
    answer: vgpuShape,
    refusals: [404, 409],
  },
  get('/v1/vgpus/:id/snapshot', 'vGPUs', 'Its device as its driver has it now.', snapshotShape, 404),
  {
    method: 'POST',
    path: '/v1/vgpus/:id/page-tables',
    tag: 'vGPUs',
    summary: "Compare its shadow page tables with the guest's, entry by entry.",
    status: 200,
    answer: auditShape,
    refusals: [404, 422],
  },
  get(
    '/v1/vgpus/:id/screen.png',
    'vGPUs',
    'The picture on its screen. `If-None-Match` is understood.',
    'image/png',
    404,
  ),
  get(
    '/v1/vgpus/:id/unknown-registers',
    'vGPUs',
    'Registers that its guest touched and that have no row.',
    many('registers', unknownRegisterShape),
    404,
  ),
  get(
    '/v1/definitions',
    'definitions',
    'vGPUs that are kept, and files that are damaged.',
    z.object({ definitions: z.array(definitionShape), damaged: z.array(damagedShape) }),
  ),
  get('/v1/definitions/:name', 'definitions', 'One of them.', definitionShape, 404),
  {
    method: 'PUT',
    path: '/v1/definitions/:name',
    tag: 'definitions',
    summary:
      'Keep a vGPU: the one of the body, or the one of that name that runs. Where there is one, `If-Match` has the etag of what it replaces.',
    body: definitionBody,
    status: 200,
    answer: definitionShape,
    refusals: [404, 409],
  },
  {
    method: 'PATCH',
    path: '/v1/definitions/:name',
    tag: 'definitions',
    summary: 'Whether it is made when the daemon starts.',
    body: autostartBody,
    status: 200,
    answer: definitionShape,
    refusals: [404, 409],
  },
  {
    method: 'DELETE',
    path: '/v1/definitions/:name',
    tag: 'definitions',
    summary: 'Forget it; its vGPU stays, if it runs.',
    status: 204,
    refusals: [404, 409],
  },
  {
    method: 'POST',
    path: '/v1/definitions/:name/start',
    tag: 'definitions',
    summary: 'Make its vGPU.',
    status: 201,
    answer: vgpuShape,
    refusals: [404, 409, 501, 502, 507],
  },
  {
    method: 'POST',
    path: '/v1/definitions/:name/stop',
    tag: 'definitions',
    summary: 'Remove its vGPU, unless a guest uses it; the definition stays.',
    status: 204,
    refusals: [404, 409],
  },
  get('/v1/guests', 'guests', 'VMs, each with what its vGPUs used together.', many('guests', guestShape)),
  get('/v1/guests/:vm', 'guests', 'One VM.', guestShape, 404),
  get('/v1/types', 'device', 'Types of vGPUs, and how many of each still fit.', many('types', typeShape)),
  get('/v1/types/:name', 'device', 'One type.', typeShape, 404),
  get('/v1/engines', 'device', 'Engines and where their time went.', many('engines', engineShape)),
  get('/v1/engines/:name', 'device', 'One engine.', engineShape, 404),
  {
    ...get('/v1/timelines', 'device', 'Who ran on each engine, and when.', timelinesShape),
    query: { since: 'Uptime in seconds; what ran before is left out' },
  },
  get('/v1/isolation', 'device', 'Accesses of the GPU to memory of somebody else; there must be none.', isolationShape),
  get('/v1/stats', 'device', 'All numbers at once.', statsShape),
  get('/metrics', 'device', 'The same for Prometheus.', 'text/plain'),
  get(
    '/v1/events',
    'events',
    `What happens to vGPUs, as server-sent events: what there is first, then ${EVENT_NAMES.join(', ')}. The data is the vGPU.`,
    'text/event-stream',
    409,
  ),
  get('/v1/tree/*', 'tree', 'What is at a path of the tree.', treeShape, 403, 404),
  {
    method: 'PUT',
    path: '/v1/tree/*',
    tag: 'tree',
    summary: 'Write an attribute, as `echo` would.',
    body: valueBody,
    status: 204,
    refusals: [403, 404, 409, 507],
  },
  {
    method: 'POST',
    path: '/v1/tree',
    tag: 'tree',
    summary: 'Several writes as one transaction: all of them, or nothing.',
    body: writesBody,
    status: 204,
    refusals: [403, 404, 409, 507],
  },
  get('/v1/foreground/screen.png', 'tree', 'The picture of the VM in the foreground.', 'image/png', 404),
  get('/v1/openapi.json', 'device', 'This description.', JSON_TYPE),
];
