/** The device-model wrapper as xl starts it, among xenstore tools and a QEMU that are scripts over a folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packageInfo } from '../../../src/control/package-info.js';

const WRAPPER = join(packageInfo().root, 'packaging', 'device-model');
const NODE = 'local/domain/0/xengt';
/** The nodes are files below $STORE. */
const TOOLS = {
  'xenstore-write': 'mkdir -p "$STORE$(dirname "$1")" && printf %s "$2" >"$STORE$1"',
  'xenstore-read': 'cat "$STORE$1" 2>/dev/null || { echo "couldn\'t read path $1" >&2; exit 1; }',
  'xenstore-rm': 'rm -r "$STORE$1" 2>/dev/null',
  qemu: 'for a in "$@"; do printf "%s\\n" "$a"; done >"$STORE/qemu"; echo "pid $$" >>"$STORE/qemu-pid"',
} as const;

let folder: string;
let store: string;
let running: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xengt-wrapper-'));
  store = join(folder, 'store');
  mkdirSync(store);
  running = [];
  for (const [name, script] of Object.entries(TOOLS)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly err: string;
  readonly pid: number;
}

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(WRAPPER, args, {
    env: { PATH: `${folder}:/usr/bin:/bin`, STORE: store, XENGT_QEMU: join(folder, 'qemu'), ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.push(child);
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, err, pid: child.pid ?? 0 }));
  });
  return { child, ended };
}

const node = (name: string) => join(store, NODE, name);
function answer(name: string, value: string): void {
  mkdirSync(dirname(node(name)), { recursive: true });
  writeFileSync(node(name), value);
}
async function asked(domid: number): Promise<string> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (existsSync(node(`${domid}/request`))) {
      const text = readFileSync(node(`${domid}/request`), 'utf8');
      if (text !== '') return text;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nothing was asked');
}
const qemuArguments = () => readFileSync(join(store, 'qemu'), 'utf8').split('\n').slice(0, -1);
const ARGS = ['-xen-domid', '7', '-name', "it's a name", '-drive', 'a,b=*', ''];

describe('a guest that asks for a vGPU', () => {
  test('has QEMU started once the daemon is ready, with all arguments but ours', async () => {
    const { ended } = start([...ARGS, '-xengt', 'type=V5_4,weight=3', '-m', '256']);
    expect(await asked(7)).toBe('type=V5_4,weight=3');
    expect(existsSync(join(store, 'qemu'))).toBe(false);
    answer('7/state', 'ready');
    const { code, err, pid } = await ended;
    expect([code, err]).toEqual([0, '']);
    expect(qemuArguments()).toEqual([...ARGS, '-m', '256']);
    // xl watches the process that it started.
    expect(readFileSync(join(store, 'qemu-pid'), 'utf8')).toBe(`pid ${pid}\n`);
  });

  test('is not made when the daemon refuses, and the reason is told', async () => {
    const { ended } = start([...ARGS, '-xengt', 'type=V9']);
    await asked(7);
    answer('7/reason', 'type: there is no "V9"');
    answer('7/state', 'refused');
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toBe('xengt device-model: domain 7 gets no vGPU: type: there is no "V9"\n');
    expect(existsSync(join(store, 'qemu'))).toBe(false);
  });

  test('is not made when no daemon runs, and takes its request back', async () => {
    const { code, err } = await start([...ARGS, '-xengt', 'type=V5_4'], { XENGT_WAIT: '0' }).ended;
    expect(code).toBe(1);
    expect(err).toContain('domain 7 gets no vGPU: no daemon serves Xen guests after 0 s; start it with');
    expect(existsSync(node('7'))).toBe(false);
  });

  test('is not made when the daemon does not answer', async () => {
    answer('daemon', '123');
    const { code, err } = await start([...ARGS, '-xengt', 'type=V5_4'], { XENGT_WAIT: '1' }).ended;
    expect([code, err]).toEqual([
      1,
      'xengt device-model: domain 7 gets no vGPU: the daemon did not answer within 1 s\n',
    ]);
    expect(existsSync(node('7'))).toBe(false);
    expect(existsSync(node('daemon'))).toBe(true);
  });

  test('takes no answer that an earlier domain of its number got', async () => {
    answer('7/state', 'ready');
    const { ended } = start([...ARGS, '-xengt', 'type=V5_4'], { XENGT_WAIT: '1' });
    expect((await ended).code).toBe(1);
    expect(existsSync(join(store, 'qemu'))).toBe(false);
  });

  test('takes its request back when xl gives up', async () => {
    const { child, ended } = start([...ARGS, '-xengt', 'type=V5_4']);
    await asked(7);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(143);
    expect(existsSync(node('7'))).toBe(false);
  });

  test('is told when the store refuses', async () => {
    writeFileSync(join(folder, 'xenstore-write'), '#!/bin/sh\necho "could not write path $1" >&2\nexit 1\n');
    const { code, err } = await start([...ARGS, '-xengt', 'type=V5_4']).ended;
    expect(code).toBe(1);
    expect(err).toContain('domain 7: the request cannot be written to /local/domain/0/xengt/7/request');
  });
});

test('a guest without a vGPU can be restored', async () => {
  expect((await start([...ARGS, '-incoming', 'fd:3']).ended).code).toBe(0);
  expect(qemuArguments()).toEqual([...ARGS, '-incoming', 'fd:3']);
});

test('a guest without a vGPU gets its QEMU at once, and the store is not touched', async () => {
  const { code } = await start(ARGS).ended;
  expect(code).toBe(0);
  expect(qemuArguments()).toEqual(ARGS);
  expect(existsSync(node('7'))).toBe(false);
});

describe('what cannot be meant is refused', () => {
  test.each([
    ['without a value', [...ARGS, '-xengt'], '-xengt: needs what to ask for, such as type=V5_4'],
    [
      'with an option for a value',
      [...ARGS, '-xengt', '-m'],
      '-xengt: "-m" is not allowed; allowed: such as type=V5_4',
    ],
    ['with nothing for a value', [...ARGS, '-xengt', ''], '-xengt: "" is not allowed'],
    ['twice', [...ARGS, '-xengt', 'type=V5_4', '-xengt', 'type=V5_8'], '-xengt: given twice'],
    [
      'of a guest that is restored',
      [...ARGS, '-incoming', 'fd:3', '-xengt', 'type=V5_4'],
      'a guest with a vGPU cannot be restored',
    ],
    ['without a domain', ['-xengt', 'type=V5_4'], 'there is no -xen-domid with a number'],
    [
      'with a domain that is none',
      ['-xen-domid', '7/..', '-xengt', 'type=V5_4'],
      'there is no -xen-domid with a number',
    ],
  ])('-xengt %s', async (_what, args, text) => {
    const { code, err } = await start(args).ended;
    expect(code).toBe(1);
    expect(err).toContain(text);
    expect(existsSync(join(store, 'qemu'))).toBe(false);
    expect(existsSync(join(store, NODE))).toBe(false);
  });

  test.each([
    ['XENGT_QEMU', '/no/such/qemu', 'XENGT_QEMU: /no/such/qemu cannot be run'],
    ['XENGT_WAIT', 'long', 'XENGT_WAIT: "long" is not allowed; allowed: whole seconds'],
  ])('%s=%s', async (name, value, text) => {
    const { code, err } = await start(ARGS, { [name]: value }).ended;
    expect(code).toBe(1);
    expect(err).toContain(text);
  });
});

test('the wrapper can be run, by a plain POSIX shell', () => {
  expect(statSync(WRAPPER).mode & 0o111).toBe(0o111);
  expect(readFileSync(WRAPPER, 'utf8')).toMatch(/^#!\/bin\/sh\n/);
});
