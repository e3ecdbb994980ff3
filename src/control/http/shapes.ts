/**
 * What the API answers with, as schemas: the compiler holds them against the mediator's own types, tests against answers.
 * An answer may get more keys with time; clients must not mind those that they do not know.
 */
import { z } from 'zod';
import { OUTPUT_PORTS, PLUGS } from '../../hw/index.js';
import type {
  EngineStats,
  PortInfo,
  TypeInfo,
  UnknownRegister,
  VgpuInfo,
  VgpuSnapshot,
  VgpuTransport,
} from '../../mediator/api.js';

const count = z.int().min(0);
const seconds = z.number().min(0);

const transport = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('vfio-user'), socket: z.string() }),
  z.object({ kind: z.literal('xen'), domid: count }),
  z.object({ kind: z.literal('replay'), file: z.string(), loop: z.boolean() }),
]) satisfies z.ZodType<VgpuTransport>;

const port = z.object({
  port: z.enum(OUTPUT_PORTS),
  type: z.enum(PLUGS),
  connected: z.boolean(),
  edid: z.string().describe('In hex'),
  monitor: z.string(),
  preferred: z.string(),
  pipe: z.enum(['A', 'B', 'C']).nullable(),
}) satisfies z.ZodType<PortInfo>;

export const STATE = z.enum(['waiting', 'attached', 'failsafe']);

export const vgpuShape = z
  .looseObject({
    id: count,
    name: z.string(),
    vm: z.string().describe('Label for accounting'),
    type: z.string().describe('Name of its type, or custom'),
    lowMiB: count.describe('Aperture that it holds'),
    highMiB: count.describe('Hidden graphics memory that it holds'),
    fences: count,
    weight: count,
    cap: count.describe('Most of each engine that it may have, percent'),
    priority: count,
    monitor: z.boolean(),
    ports: z.array(port),
    scanProcesses: z.enum(['needed', 'all']),
    pageTables: z.enum(['auto', 'compare']),
    transport,
    ioreqServer: count.nullable(),
    state: STATE,
    reason: z.string().nullable().describe('Why it is in failsafe'),
    lastDropped: z.string().nullable(),
    mode: z.object({ width: count, height: count, refreshHz: z.number() }).nullable(),
  })
  .describe('A vGPU') satisfies z.ZodType<VgpuInfo>;

export const definitionShape = z
  .looseObject({
    name: z.string(),
    autostart: z.boolean().describe('Made when the daemon starts'),
    active: z.boolean().describe('Its vGPU runs now'),
    etag: z.string().describe('What If-Match is to say where it is replaced'),
    vgpu: z.looseObject({ name: z.string(), transport: z.string() }).describe('As a request makes one'),
  })
  .describe('A vGPU that is kept');

export const damagedShape = z.object({ name: z.string(), file: z.string(), reason: z.string() });

export const typeShape = z
  .looseObject({
    name: z.string(),
    lowMiB: count,
    highMiB: count,
    fences: count,
    weight: count,
    resolution: z.string(),
    availableInstances: count.describe('How many more of it fit now'),
  })
  .describe('A type of vGPUs') satisfies z.ZodType<TypeInfo>;

export const engineShape = z
  .looseObject({
    name: z.string(),
    busySeconds: seconds,
    // A difference of floats: it may come out a hair below zero.
    idleSeconds: z.number(),
    switchingSeconds: seconds,
    totalSeconds: seconds,
    resets: count,
    perVgpu: z.record(z.string(), seconds).describe('Seconds that it worked for each vGPU, by id'),
  })
  .describe('An engine and where its time went') satisfies z.ZodType<EngineStats>;

export const guestShape = z
  .looseObject({
    vm: z.string(),
    vgpus: z.array(z.string()).describe('Names of its vGPUs'),
    state: STATE.describe('The worst that any of its vGPUs is in'),
    gpuSeconds: z.record(z.string(), seconds).describe('By engine'),
    waitingSeconds: z.record(z.string(), seconds).describe('By engine'),
  })
  .describe('A VM: what its vGPUs used together');

export const unknownRegisterShape = z.object({
  offset: count,
  name: z.string().nullable(),
  reads: count,
  writes: count,
}) satisfies z.ZodType<UnknownRegister>;

export const snapshotShape = z
  .looseObject({
    platform: z.string(),
    uptimeSeconds: seconds,
    config: z.string().describe('PCI configuration space, in hex'),
    registers: z
      .array(z.object({ offset: count, name: z.string(), value: count }))
      .describe('All that are not zero, by offset'),
    ggtt: z.object({ pages: count, mapped: count }),
    addressSpaces: z.array(z.array(count)).describe('Guest addresses of the root tables of each'),
    engines: z.array(
      z.object({ name: z.string(), held: z.literal([0, 1, 2]).describe('Submissions that its port holds') }),
    ),
  })
  .describe('A vGPU at one moment, as its guest has it') satisfies z.ZodType<VgpuSnapshot>;

export const isolationShape = z.object({ violations: count, last: z.array(z.string()) });

export const auditShape = z.object({
  tables: count,
  entries: count,
  present: count,
  differing: count,
  first: z.string().nullable(),
});

export const statsShape = z
  .looseObject({
    device: z.string(),
    platform: z.string(),
    uptimeSeconds: seconds,
    engines: z.array(z.looseObject({ name: z.string() })),
    vgpus: z.array(z.looseObject({ id: count, name: z.string(), vm: z.string(), state: STATE })),
    isolationViolations: count,
    unansweredTraps: count,
  })
  .describe('All numbers at once; metrics are made of them');

export const timelinesShape = z.object({
  now: seconds.describe('Uptime up to which they are known'),
  engines: z.array(
    z.object({
      name: z.string(),
      runs: z.array(z.tuple([count, seconds, seconds])).describe('Id of the vGPU, start and end in seconds of uptime'),
    }),
  ),
});

export const treeShape = z.union([
  z.object({ kind: z.literal('folder'), children: z.record(z.string(), z.string()) }),
  z.object({ kind: z.literal('link'), target: z.string() }),
  z.object({ kind: z.literal('attribute'), mode: z.string(), value: z.string().optional() }),
]);

export const problemShape = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What is wrong, in a sentence'),
    code: z.string().describe('Stable: XENGT_E_…'),
    remedy: z.string(),
    exitCode: z.int().describe('What a command line that met this refusal ends with'),
  })
  .describe('A refusal (RFC 9457)');
