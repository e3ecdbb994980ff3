import { mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addonFile, loadFrom, loadNative, type Native } from '../../src/hypervisor/native.js';
import { Waiter, WakeUp, wake } from '../../src/hypervisor/waiter.js';

const native = loadNative();

describe('a machine without the native addon', () => {
  it('is told what is missing and how to get it', () => {
    const { native: none, missing } = loadFrom('/nonexistent/xengt.node');
    expect(none).toBe(null);
    expect(missing).toContain('the native addon is not built (no /nonexistent/xengt.node)');
    expect(missing).toContain('npm rebuild');
  });

  it('is told which tools a build needs when they are not there', () => {
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    try {
      const { missing } = loadFrom('/nonexistent/xengt.node');
      expect(missing).toContain('install g++, make, python3 (Debian: apt-get install g++ make python3)');
    } finally {
      process.env.PATH = path;
    }
  });

  it('is told when the addon was built for something else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'xengt-addon-'));
    const file = join(folder, 'xengt.node');
    writeFileSync(file, 'not a shared object');
    const { native: none, missing } = loadFrom(file);
    expect(none).toBe(null);
    expect(missing).toContain('does not load');
    rmSync(folder, { recursive: true });
  });
});

describe.runIf(native)('the native addon', () => {
  const addon = native as Native;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'xengt-native-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (name: string, bytes: number): number => {
    const fd = openSync(join(folder, name), 'w+');
    truncateSync(join(folder, name), bytes);
    return fd;
  };
  /** Runs code in a worker thread with `native` and `data` at hand; resolves to what it posts. */
  const inWorker = (code: string, data: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(
        `const { parentPort, workerData } = require('node:worker_threads');
         const native = require(workerData.addon);
         const data = workerData.data;
         parentPort.postMessage((() => { ${code} })());`,
        { eval: true, workerData: { addon: addonFile(), data } },
      );
      let answer: unknown;
      worker.once('message', (m) => {
        answer = m;
      });
      worker.once('error', reject);
      worker.once('exit', () => resolve(answer));
    });

  it('answers wrong arguments with EINVAL or EBADF and touches nothing', () => {
    const eight = new Uint8Array(8);
    const fds = new Int32Array(8);
    for (const [at, length] of [
      [0, 9],
      [9, 1],
      [-1, 4],
      [0, 0],
      [Number.NaN, 4],
      [4, Number.POSITIVE_INFINITY],
    ]) {
      expect(addon.recv(0, eight, at!, length!, fds)).toBe(-22);
      expect(addon.send(0, eight, at!, length!)).toBe(-22);
    }
    expect(addon.map(0, 1, 4096)).toBe(-22);
    expect(addon.map(0, 0, 100)).toBe(-22);
    expect(addon.map(-1, 0, 4096)).toBe(-9);
    expect(addon.unmap(new ArrayBuffer(8))).toBe(-22);
    expect(addon.signal(-1)).toBeLessThan(0);
    expect(addon.epollWait(-1, 0, new Int32Array(4), 0)).toBe(-9);
    expect(addon.epollWait(-1, 0, new Int32Array(0), 0)).toBe(-22);
  });

  it('serves two worker threads at once, and frees what a thread leaves behind', async () => {
    const fd = file('shared', 1 << 20);
    const code = `
      const memory = new Uint32Array(native.map(data.fd, 0, 1 << 20));
      for (let i = 0; i < 1000; i++) Atomics.add(new Int32Array(memory.buffer), data.at, 1);
      return [memory.length, native.mappings() >= 1];`;
    const answers = await Promise.all([inWorker(code, { fd, at: 0 }), inWorker(code, { fd, at: 0 })]);
    expect(answers).toEqual([
      [1 << 18, true],
      [1 << 18, true],
    ]);
    const mine = addon.map(fd, 0, 4096) as ArrayBuffer;
    expect(new Uint32Array(mine)[0]).toBe(2000);
    addon.unmap(mine);
    expect(addon.mappings()).toBe(0);
    addon.close(fd);
  });

  it('answers accesses to pages that a file lost, in a worker thread too', async () => {
    const fd = file('lost', 1 << 20);
    const faults = addon.busFaults();
    const answer = await inWorker(
      `const memory = new Uint32Array(native.map(data.fd, 0, 1 << 20));
       memory[0] = 7;
       require('node:fs').ftruncateSync(data.fd, 0);
       memory[5] = 9;
       return [memory[0], memory[5], memory[262143]];`,
      { fd },
    );
    expect(answer).toEqual([0, 9, 0]);
    expect(addon.busFaults() - faults).toBe(2);
    addon.close(fd);
  });

  it('wakes a thread that waits on it from another thread', async () => {
    const waiter = new Waiter(addon);
    let woken = 0;
    const wakeUp = new WakeUp(addon, waiter, () => woken++);
    const waiting = inWorker(
      `const ep = native.epollCreate();
       native.epollSet(ep, data.fd, 1, 42);
       const ready = new Int32Array(4);
       const count = native.epollWait(ep, Infinity, ready, 0);
       native.close(ep);
       return [count, ready[0]];`,
      { fd: wakeUp.fd },
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    wake(addon, wakeUp.fd);
    expect(await waiting).toEqual([1, 42]);
    expect(waiter.run(0, 1)).toBe(1);
    expect(woken).toBe(1);
    expect(waiter.run(0, 1)).toBe(0);
    wakeUp.close();
    waiter.close();
  });

  it('waits as long as it was told, to well below a millisecond', () => {
    const waiter = new Waiter(addon);
    const rounds = 20;
    const from = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) expect(waiter.run(200_000, 1)).toBe(0);
    const each = Number(process.hrtime.bigint() - from) / rounds;
    expect(each).toBeGreaterThanOrEqual(200_000);
    // Loose on purpose: a busy machine wakes late. Whole milliseconds would be five times this.
    expect(each).toBeLessThan(20_000_000);
    waiter.spinNs = 1_000_000;
    expect(waiter.run(100_000, 1)).toBe(0);
    waiter.close();
  });

  it('tells a descriptor that is no eventfd', () => {
    const event = addon.eventfd();
    const fd = file('plain', 16);
    expect(addon.adoptEventfd(event)).toBe(0);
    expect(addon.adoptEventfd(fd)).toBe(-22);
    expect(addon.adoptEventfd(-1)).toBeLessThan(0);
    addon.close(event);
    addon.close(fd);
  });
});
