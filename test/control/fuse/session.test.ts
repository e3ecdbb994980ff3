import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { OP } from '../../../src/control/fuse/protocol.js';
import { PARENT, TYPE, UUID } from '../tree/rig.js';
import { type Kernel, kernel, name, u32, u64 } from './kernel.js';

const READ = 0;
const WRITE = 1;
const READ_WRITE = 2;

let k: Kernel;
beforeEach(async () => {
  k = await kernel();
});

const readIn = (handle: number, offset: number, size: number) =>
  Buffer.concat([u64(handle, offset), u32(size, 0), u64(0, 0)]);
const writeIn = (handle: number, text: string) => Buffer.concat([readIn(handle, 0, text.length), Buffer.from(text)]);

async function list(path: string, size = 4096): Promise<string[]> {
  const node = await k.walk(path);
  const { body } = await k.ask(OP.OPENDIR, Number(node), u32(0, 0));
  const handle = Number(body.readBigUInt64LE(0));
  const names: string[] = [];
  for (let offset = 0; ; ) {
    const { body: entries } = await k.ask(OP.READDIR, Number(node), readIn(handle, offset, size));
    if (entries.length === 0) break;
    for (let at = 0; at < entries.length; ) {
      const length = entries.readUInt32LE(at + 16);
      offset = Number(entries.readBigUInt64LE(at + 8));
      names.push(entries.subarray(at + 24, at + 24 + length).toString());
      at += Math.ceil((24 + length) / 8) * 8;
    }
  }
  await k.ask(OP.RELEASEDIR, Number(node), u64(handle, 0, 0));
  return names;
}

describe('the first message', () => {
  const init = (major: number, minor: number) =>
    Buffer.concat([u32(major, minor, 65536, 0xffff_ffff), Buffer.alloc(48)]);

  test('is answered with our version, and with writes of one page', async () => {
    const { errno, body } = await k.ask(OP.INIT, 0, init(7, 41));
    expect(errno).toBe('');
    expect([body.length, body.readUInt32LE(0), body.readUInt32LE(4), body.readUInt32LE(20)]).toEqual([64, 7, 31, 4096]);
    // A flag that is not asked for is not taken: no writeback cache, no caching of what changes behind the kernel's back.
    expect(body.readUInt32LE(12)).toBe(0);
  });

  test('of a kernel that is too old is refused', async () => {
    expect((await k.ask(OP.INIT, 0, init(7, 22))).errno).toBe(71);
    expect((await k.ask(OP.INIT, 0, init(6, 99))).errno).toBe(71);
  });
});

describe('what ls sees', () => {
  test('all names, also when they do not fit into one answer', async () => {
    const all = ['.', '..', 'available_instances', 'create', 'description', 'device_api', 'devices', 'name'];
    expect(await list(TYPE)).toEqual(all);
    expect(await list(TYPE, 64)).toEqual(all);
  });

  test('kind, permissions, size and owner of an attribute, a folder and a link', async () => {
    await k.echo(UUID, `${TYPE}/create`);
    const look = async (path: string) => {
      const { body } = await k.ask(OP.GETATTR, Number(await k.walk(path)));
      const at = 16;
      return {
        size: Number(body.readBigUInt64LE(at + 8)),
        mode: body.readUInt32LE(at + 60).toString(8),
        links: body.readUInt32LE(at + 64),
        owner: [body.readUInt32LE(at + 68), body.readUInt32LE(at + 72)],
        valid: Number(body.readBigUInt64LE(0)),
      };
    };
    expect(await look(`${TYPE}/create`)).toEqual({ size: 4096, mode: '100200', links: 1, owner: [7, 8], valid: 0 });
    expect(await look(TYPE)).toMatchObject({ size: 0, mode: '40755', links: 3 });
    expect(await look(`bus/mdev/devices/${UUID}`)).toMatchObject({ mode: '120777' });
    const link = await k.walk(`bus/mdev/devices/${UUID}`);
    expect((await k.ask(OP.READLINK, Number(link))).body.toString()).toBe(`../../../${PARENT}/${UUID}`);
  });

  test('what is not there, and what is not any more', async () => {
    expect(await k.walk('control/nothing')).toBe('ENOENT');
    await k.echo(UUID, `${TYPE}/create`);
    const node = await k.walk(`${PARENT}/${UUID}`);
    await k.echo('1', `${PARENT}/${UUID}/remove`);
    expect((await k.ask(OP.GETATTR, Number(node))).errno).toBe('ENOENT');
  });
});

describe('what cat and echo see', () => {
  test('text from its start to its end, the same to the end although it changes meanwhile', async () => {
    await k.echo('3,64,384,4', 'control/create_vgt_instance');
    const handle = Number(await k.open('vm3/xengt/weight', READ));
    expect((await k.ask(OP.READ, 0, readIn(handle, 0, 1))).body.toString()).toBe('2');
    await k.echo('33', 'vm3/xengt/weight');
    expect((await k.ask(OP.READ, 0, readIn(handle, 1, 4096))).body.toString()).toBe('\n');
    expect((await k.ask(OP.READ, 0, readIn(handle, 2, 4096))).body.length).toBe(0);
    expect((await k.ask(OP.READ, 0, readIn(handle, 0, 4096))).body.toString()).toBe('33\n');
  });

  test('a write that is taken, and one that is refused', async () => {
    const handle = Number(await k.open('control/create_vgt_instance', WRITE));
    const taken = await k.ask(OP.WRITE, 0, writeIn(handle, '3,64,384,4\n'));
    expect([taken.errno, taken.body.readUInt32LE(0)]).toEqual(['', 11]);
    expect((await k.ask(OP.WRITE, 0, writeIn(handle, '3,64\n'))).errno).toBe('EINVAL');
    expect((await k.ask(OP.WRITE, 0, writeIn(handle, '-9\n'))).errno).toBe('ENODEV');
    expect(k.mediator.specs).toHaveLength(1);
  });

  test('EACCES for opening what can not be read or written, also for root', async () => {
    expect(await k.open(`${TYPE}/create`, READ)).toBe('EACCES');
    expect(await k.open(`${TYPE}/create`, READ_WRITE)).toBe('EACCES');
    expect(await k.open(`${TYPE}/name`, WRITE)).toBe('EACCES');
    expect(await k.open(TYPE, READ)).toBe('EISDIR');
  });

  test('ENODEV from a file that was open when its vGPU was removed', async () => {
    await k.echo('3,64,384,4', 'control/create_vgt_instance');
    const handle = Number(await k.open('vm3/xengt/weight', READ_WRITE));
    await k.echo('-3', 'control/create_vgt_instance');
    expect((await k.ask(OP.READ, 0, readIn(handle, 0, 4096))).errno).toBe('ENODEV');
    expect((await k.ask(OP.WRITE, 0, writeIn(handle, '9\n'))).errno).toBe('ENODEV');
  });

  test('nothing can be made, removed, renamed or given away', async () => {
    const folder = Number(await k.walk('control'));
    expect((await k.ask(OP.CREATE, folder, Buffer.concat([u32(0, 0, 0, 0), name('new')]))).errno).toBe('EACCES');
    for (const opcode of [OP.MKDIR, OP.MKNOD, OP.UNLINK, OP.RMDIR, OP.RENAME, OP.RENAME2, OP.SYMLINK, OP.LINK]) {
      expect((await k.ask(opcode, folder, name('ctx_switch'))).errno).toBe('EPERM');
    }
    const setMode = Buffer.concat([u32(1), Buffer.alloc(84)]);
    const setSize = Buffer.concat([u32(8), Buffer.alloc(84)]);
    const attribute = Number(await k.walk('control/create_vgt_instance'));
    expect((await k.ask(OP.SETATTR, attribute, setMode)).errno).toBe('EPERM');
    // What `>` does before it writes.
    expect((await k.ask(OP.SETATTR, attribute, setSize)).errno).toBe('');
  });
});

describe('bounds', () => {
  test('a user may have so many files open; others still get theirs', async () => {
    const handles: number[] = [];
    for (let i = 0; i < 1024; i++) handles.push(Number(await k.open('control/display_owner', READ, 500)));
    expect(await k.open('control/display_owner', READ, 500)).toBe('EMFILE');
    expect(await k.open('control/display_owner', READ, 501)).toBeTypeOf('number');
    await k.ask(OP.RELEASE, 0, Buffer.concat([u64(handles[0]!), u32(0, 0), u64(0)]));
    expect(await k.open('control/display_owner', READ, 500)).toBeTypeOf('number');
  });

  test('what the kernel forgot is looked up anew', async () => {
    const node = Number(await k.walk('control/display_owner'));
    expect(await k.walk('control/display_owner')).toBe(node);
    await k.tell(OP.FORGET, node, u64(1));
    expect((await k.ask(OP.GETATTR, node)).errno).toBe('');
    await k.tell(OP.BATCH_FORGET, 0, Buffer.concat([u32(1, 0), u64(node, 1)]));
    expect((await k.ask(OP.GETATTR, node)).errno).toBe('ENOENT');
    expect(await k.walk('control/display_owner')).not.toBe(node);
  });

  test('a fault of the mediator is EIO for who asked, a line for the operator, and the end of nothing', async () => {
    const node = Number(await k.walk('control'));
    k.mediator.fault = new Error('worker died');
    expect((await k.ask(OP.GETATTR, node)).errno).toBe('EIO');
    expect(k.complaints).toEqual(['sysfs: worker died']);
    expect((await k.ask(OP.GETATTR, node)).errno).toBe('');
  });

  test('no request, whatever its bytes, ends the daemon or goes without an answer', async () => {
    await k.raw(Buffer.alloc(7));
    expect(k.complaints).toEqual(['sysfs: the kernel sent 7 bytes that are no request']);
    const silent: number[] = [OP.FORGET, OP.BATCH_FORGET, OP.INTERRUPT];
    const opcode = fc.constantFrom(...Object.values(OP), 39, 40, 4096).filter((one) => !silent.includes(one));
    await fc.assert(
      fc.asyncProperty(opcode, fc.nat(5), fc.uint8Array({ maxLength: 100 }), async (op, node, body) => {
        await k.ask(op, node, body);
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...silent), fc.uint8Array({ maxLength: 40 }), async (op, body) => {
        const before = k.replies.length;
        await k.tell(op, 2, body);
        expect(k.replies.length).toBe(before);
      }),
    );
    expect((await k.ask(OP.GETATTR, 1)).errno).toBe('');
  });
});
