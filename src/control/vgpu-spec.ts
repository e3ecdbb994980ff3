/** A vGPU as an operator asks for one: the same keys in the configuration file and in the body of a request. */
import { basename, isAbsolute } from 'node:path';
import type { z } from 'zod';
import type { VgpuSpec } from '../mediator/api.js';
import { brokenRule, choice, flag, record, text, whole } from './checked.js';

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

const shape = {
  name: text(NAME_ALLOWED, (name) => NAME.test(name) && !/^\d+$/.test(name)),
  vm: text(`1 to ${LABEL_MAX} printable characters`, isLabel).optional(),
  type: text('a name that `xengt types` lists, such as V5_4', (name) => TYPE.test(name)).optional(),
  lowMiB: MIB.optional(),
  highMiB: MIB.optional(),
  fences: whole(0, 32).optional(),
  weight: whole(1, 255).optional(),
  monitor: flag().optional(),
  scanProcesses: SCAN_PROCESSES.optional(),
  transport: choice(['vfio-user', 'replay']),
  socket: socketPath.optional(),
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
  } else if (body.transport === 'vfio-user' && body.type === undefined && sizes === 0) {
    say('type', 'missing; allowed: a name that `xengt types` lists, or the sizes lowMiB, highMiB and fences');
  }
  const other = body.transport === 'vfio-user' ? (['file', 'loop'] as const) : (['socket', 'record'] as const);
  for (const key of other) {
    if (body[key] !== undefined) say(key, `not allowed with transport "${body.transport}"`);
  }
  const needed = body.transport === 'vfio-user' ? 'socket' : 'file';
  if (body[needed] === undefined)
    say(needed, `missing; transport "${body.transport}" needs it; allowed: an absolute path`);
}

function toSpec(body: Flat): VgpuSpec {
  const { transport, socket, file, loop, ...rest } = body;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...given,
    name: body.name,
    transport:
      transport === 'vfio-user'
        ? { kind: 'vfio-user', socket: socket ?? '' }
        : { kind: 'replay', file: file ?? '', loop: loop ?? false },
  };
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
