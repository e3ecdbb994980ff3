/** The kernel's side of a session, without a kernel: requests as it would make them, answers taken apart. */
import { Session } from '../../../src/control/fuse/session.js';
import { ERRNO, type ErrnoName } from '../../../src/control/tree/index.js';
import { type TreeRig, treeRig } from '../tree/rig.js';

const IN_HEADER = 40;
const OUT_HEADER = 16;

export interface Reply {
  /** Empty for success. */
  readonly errno: ErrnoName | number | '';
  readonly body: Buffer;
}

export interface Kernel extends TreeRig {
  readonly complaints: string[];
  /** What was answered so far, in order. */
  readonly replies: Buffer[];
  ask(opcode: number, node: number, body?: Uint8Array, uid?: number): Promise<Reply>;
  /** For requests that get no answer. */
  tell(opcode: number, node: number, body: Uint8Array): Promise<void>;
  /** Looks a path up, part by part. @returns its node, or the error's name */
  walk(path: string): Promise<number | string>;
  /** @returns the handle, or the error's name */
  open(path: string, flags: number, uid?: number): Promise<number | string>;
  raw(bytes: Buffer): Promise<void>;
}

export const u64 = (...values: number[]): Buffer => {
  const out = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => {
    out.writeBigUInt64LE(BigInt(value), 8 * i);
  });
  return out;
};

export const u32 = (...values: number[]): Buffer => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    out.writeUInt32LE(value, 4 * i);
  });
  return out;
};

export const name = (text: string): Buffer => Buffer.from(`${text}\0`);

export async function kernel(): Promise<Kernel> {
  const rig = await treeRig();
  const complaints: string[] = [];
  const replies: Buffer[] = [];
  const log = { info: () => {}, error: (line: string) => void complaints.push(line) };
  const session = new Session({
    tree: rig.tree,
    uid: 7,
    gid: 8,
    nowMs: 1_700_000_000_000,
    log,
    reply: (message) => void replies.push(message),
  });
  let unique = 100;

  const send = async (opcode: number, node: number, body: Uint8Array, uid: number): Promise<void> => {
    unique += 2;
    const header = Buffer.concat([u32(IN_HEADER + body.length, opcode), u64(unique, node), u32(uid, uid, 1234, 0)]);
    await session.handle(Buffer.concat([header, body]));
  };
  const ask: Kernel['ask'] = async (opcode, node, body = new Uint8Array(0), uid = 0) => {
    const before = replies.length;
    await send(opcode, node, body, uid);
    const reply = replies[before];
    if (reply === undefined || replies.length !== before + 1) throw new Error('not answered exactly once');
    if (reply.readUInt32LE(0) !== reply.length || reply.readBigUInt64LE(8) !== BigInt(unique)) {
      throw new Error('not an answer to this request');
    }
    const errno = -reply.readInt32LE(4);
    const known = Object.entries(ERRNO).find(([, value]) => value === errno)?.[0] as ErrnoName | undefined;
    return { errno: errno === 0 ? '' : (known ?? errno), body: reply.subarray(OUT_HEADER) };
  };
  const walk: Kernel['walk'] = async (path) => {
    let node = 1;
    for (const part of path.split('/').filter((text) => text !== '')) {
      const { errno, body } = await ask(1, node, name(part));
      if (errno !== '') return `${errno}`;
      node = Number(body.readBigUInt64LE(0));
    }
    return node;
  };
  return {
    ...rig,
    complaints,
    replies,
    ask,
    walk,
    tell: (opcode, node, body) => send(opcode, node, body, 0),
    open: async (path, flags, uid = 0) => {
      const node = await walk(path);
      if (typeof node === 'string') return node;
      const { errno, body } = await ask(14, node, u32(flags, 0), uid);
      return errno === '' ? Number(body.readBigUInt64LE(0)) : `${errno}`;
    },
    raw: (bytes) => session.handle(bytes),
  };
}
