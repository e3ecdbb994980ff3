/** A vGPU as an operator asks for one: the same keys in the configuration file and in the body of a request. */
import { basename, isAbsolute } from 'node:path';
import type { z } from 'zod';
import type { VgpuInfo, VgpuSpec, VgpuTransport } from '../mediator/api.js';
import { MOST_PRIORITY, MOST_WEIGHT, NO_CAP } from '../scheduler/index.js';
import { brokenRule, choice, flag, list, record, text, whole } from './checked.js';
import { monitorSetup, resolveSetup } from './monitors.js';

/** `sun_path` of a UNIX socket address holds 108 bytes, the final zero included (unix(7)). */
export const SOCKET_PATH_MAX = 107;
const LABEL_MAX = 64;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAME_ALLOWED =
  "1 to 64 of letters, digits, '.', '_' and '-', starting with a letter or digit, not digits alone (those are ids)";
const TYPE = /^[A-Za-z0-9_-]{1,64}$/;

export function isSocketPath(path: string): boolean {
  return isPath(path) && Buffer.byteLength(path) <= SOCKET_PATH_MAX;
}

export function isPath(path: string): boolean {
  return isAbsolute(path) && !path.includes('\0');
}

/** Printable, so that it is safe in a terminal and as a metrics label. */
function isLabel(value: string): boolean {
  return value.length > 0 && value.length <= LABEL_MAX && /^[^\p{C}]+$/u.test(value);
}

const socketPath = text(`an absolute path of at most ${SOCKET_PATH_MAX} bytes`, isSocketPath);
const filePath = text('an absolute path', isPath);
const MIB = whole(1, 4096);

export const SCAN_PROCESSES = choice(['needed', 'all']);

/** Bodies of changes of one thing. */
export const monitorBody = record({ connected: flag() });
export const scanBody = record({ scanProcesses: SCAN_PROCESSES });

/** How it shares the engines. */
const SHARE_KEYS = {
  weight: whole(1, MOST_WEIGHT).optional(),
  cap: whole(1, NO_CAP).optional(),
  priority: whole(0, MOST_PRIORITY).optional(),
};

/** A change of that at run time: at least one of the keys. */
export const shareChange = record(SHARE_KEYS).superRefine((body, context) => {
  if (Object.values(body).every((value) => value === undefined)) {
    context.addIssue(brokenRule(['weight'], 'missing; give at least one of weight, cap and priority'));
  }
});

const shape = {
  name: text(NAME_ALLOWED, (name) => NAME.test(name) && !/^\d+$/.test(name)),
  vm: text(`1 to ${LABEL_MAX} printable characters`, isLabel).optional(),
  type: text('a name that `xengt types` lists, such as V5_4', (name) => TYPE.test(name)).optional(),
  lowMiB: MIB.optional(),
  highMiB: MIB.optional(),
  fences: whole(0, 32).optional(),
  ...SHARE_KEYS,
  monitor: flag().optional(),
  ports: list(monitorSetup, 'monitors').superRefine(portsDiffer).optional(),
  scanProcesses: SCAN_PROCESSES.optional(),
  pageTables: choice(['auto', 'compare']).optional(),
  transport: choice(['vfio-user', 'xen', 'replay']),
  socket: socketPath.optional(),
  /** Xen's number of the domain; dom0 and those from 0x7ff0 on are no guests. */
  domain: whole(1, 0x7fef).optional(),
  file: filePath.optional(),
  loop: flag().optional(),
  record: filePath.optional(),
};

/** Checked, and turned into what the mediator takes. */
export const vgpuSpec = record(shape).superRefine(acrossKeys).transform(toSpec);

type Flat = z.output<ReturnType<typeof record<typeof shape>>>;

function acrossKeys(body: Flat, context: z.RefinementCtx): void {
  const say = (key: string, message: string) => context.addIssue(brokenRule([key], message));
  const sizes = [body.lowMiB, body.highMiB, body.fences].filter((size) => size !== undefined).length;
  if (body.type !== undefined && sizes > 0) {
    say('type', 'give either type or the sizes lowMiB, highMiB and fences, not both');
  } else if (sizes > 0 && sizes < 3) {
    say('lowMiB', 'the sizes lowMiB, highMiB and fences belong together; give all three');
  } else if (body.transport !== 'replay' && body.type === undefined && sizes === 0) {
    say('type', 'missing; allowed: a name that `xengt types` lists, or the sizes lowMiB, highMiB and fences');
  }
  const { source, needs } = SOURCES[body.transport];
  for (const key of SOURCE_KEYS) {
    if (body[key] !== undefined && !source.includes(key)) say(key, `not allowed with transport "${body.transport}"`);
  }
  const [needed] = source;
  if (body[needed] === undefined) say(needed, `missing; transport "${body.transport}" needs it; allowed: ${needs}`);
}

const SOURCE_KEYS = ['socket', 'domain', 'file', 'loop', 'record'] as const;
type SourceKey = (typeof SOURCE_KEYS)[number];

/** What says where a guest comes from, by transport: the first key must be there. */
const SOURCES: Readonly<
  Record<Flat['transport'], { readonly source: readonly [SourceKey, ...SourceKey[]]; readonly needs: string }>
> = {
  'vfio-user': { source: ['socket', 'record'], needs: 'an absolute path' },
  xen: { source: ['domain'], needs: 'the number of a domain, as `xl list` shows it' },
  replay: { source: ['file', 'loop'], needs: 'an absolute path' },
};

function transportOf({ transport, socket, domain, file, loop }: Flat): VgpuTransport {
  switch (transport) {
    case 'vfio-user':
      return { kind: 'vfio-user', socket: socket ?? '' };
    case 'xen':
      return { kind: 'xen', domid: domain ?? 0 };
    case 'replay':
      return { kind: 'replay', file: file ?? '', loop: loop ?? false };
  }
}

function toSpec(body: Flat): VgpuSpec {
  const { transport: _kind, socket: _socket, domain: _domain, file: _file, loop: _loop, ports, ...rest } = body;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const plugged = ports === undefined ? {} : { ports: ports.map(resolveSetup) };
  return { ...given, ...plugged, name: body.name, transport: transportOf(body) };
}

/** With the keys of a request: what `toSpec` makes of it is the spec again. */
export type VgpuBody = z.input<typeof vgpuSpec>;

export function bodyOf({ transport, ports, ...rest }: VgpuSpec): VgpuBody {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const plugged = ports === undefined ? {} : { ports: ports.map((port) => ({ ...port })) };
  return { ...given, ...plugged, name: rest.name, ...sourceOf(transport) };
}

function sourceOf(transport: VgpuTransport) {
  switch (transport.kind) {
    case 'vfio-user':
      return { transport: transport.kind, socket: transport.socket };
    case 'xen':
      return { transport: transport.kind, domain: transport.domid };
    case 'replay':
      return { transport: transport.kind, file: transport.file, loop: transport.loop };
  }
}

/** What would make a vGPU as this one is now. */
export function specOf(info: VgpuInfo): VgpuSpec {
  const { name, vm, type, lowMiB, highMiB, fences, weight, cap, priority, monitor, scanProcesses, pageTables } = info;
  return {
    name,
    vm,
    ...(type === 'custom' ? { lowMiB, highMiB, fences } : { type }),
    ...{ weight, cap, priority, monitor, scanProcesses, pageTables },
    ports: info.ports.map(({ port, type: plug, connected, edid }) => ({ port, type: plug, connected, edid })),
    transport: info.transport,
  };
}

/** A port takes one monitor. */
function portsDiffer(ports: readonly { readonly port: string }[], context: z.RefinementCtx): void {
  ports.forEach(({ port }, index) => {
    if (ports.findIndex((other) => other.port === port) === index) return;
    context.addIssue({ ...brokenRule([], `port ${port} has a monitor already in this list`), path: [index, 'port'] });
  });
}

/** A replayed guest, named after its journal. */
export function replaySpec(file: string, taken: ReadonlySet<string>): VgpuSpec {
  const stem = basename(file).replace(/\.[^.]*$/, '');
  const tame = stem.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  // Room is left for the number that tells two of one name apart.
  const base = /^\d*$/.test(tame) ? `replay-${tame}`.replace(/-$/, '') : tame.slice(0, 56);
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  return { name, transport: { kind: 'replay', file, loop: true } };
}
