/**
 * The addon and the adapter on it, in a Node of their own, on libraries without Xen.
 * Usage: node addon-checks.js ADDON FOLDER, with XENGT_FAKE_XEN naming the host's file.
 */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { reasonOf } from '../../src/base/index.js';
import { loadFrom, type Native, SPACE, type TrapSink, Waiter, XenServer } from '../../src/hypervisor/index.js';
import { Host } from './host.js';

const { errno } = constants;
const PAGE = 4096;
const BAR0 = 0xf0000000;
/** Ids of functions in fake_xen.h. */
const FUNCTION = { MAP2: 18, PENDING: 26 } as const;
const [addonFile, folder] = process.argv.slice(2);
if (addonFile === undefined || folder === undefined) throw new Error('usage: addon-checks ADDON FOLDER');

const { native: loaded, missing } = loadFrom(addonFile);
if (loaded === null) throw new Error(missing);
const native: Native = loaded;
const host = new Host(native, process.env.XENGT_FAKE_XEN ?? '');

/** Registers that hold what was written, the first sixteen of them plain. */
class Registers implements TrapSink {
  readHi = 0;
  asked = 0;
  before: (() => void) | null = null;
  answered = 0;
  readonly bank = new Uint32Array(64);
  readonly plainRegisters = {
    bank: this.bank,
    plain: new Uint8Array(64).fill(1, 0, 16),
    answered: (reads: number) => {
      this.answered += reads;
    },
  };
  read(space: number, offset: number): number {
    this.asked++;
    this.before?.();
    this.readHi = 0;
    return space === SPACE.BAR0 ? (this.bank[offset / 4] ?? 0) : 0x8086;
  }
  write(_space: number, offset: number, _bytes: number, lo: number): void {
    this.asked++;
    this.bank[offset / 4] = lo;
  }
  reset(): void {}
  readConfigBlock(): void {}
}

function attach(vcpus: number) {
  host.renew(vcpus);
  const waiter = new Waiter(native);
  const device = new Registers();
  let detached = 0;
  const logs: string[] = [];
  const server = new XenServer({
    native,
    waiter,
    domid: 7,
    apertureBytes: 2 ** 26,
    frameBase: 0,
    windows: 2,
    makeGuest: () => device,
    onDetach: () => detached++,
    onFault: (error) => {
      throw error;
    },
    log: (line) => logs.push(line),
  });
  server.guest.barMoved(0, BAR0);
  server.guest.memoryDecode(true);
  const fd = native.xenFd(server.guest.handle);
  const end = () => {
    server.close();
    waiter.close();
    assert.deepEqual(host.leftovers, []);
  };
  return { server, waiter, device, fd, logs, end, detached: () => detached };
}

const checks: Record<string, () => void> = {
  'the addon without Xen answers every call with an error': () => {
    assert.equal(native.xenOpen(7), -errno.ENOSYS);
    assert.equal(native.xenDestroyServer(7, 3), -errno.ENOSYS);
    assert.equal(native.xenMapHost(7, true, 1, 1, 1), -errno.ENOSYS);
    assert.match(native.xenLoad(`${folder}/none`), /libxentoolcore\.so\.1 does not load.*libxentoolcore1/);
    assert.match(native.xenLoad(`${folder}/old`), /has no xendevicemodel_nr_vcpus; Xen 4\.17 or newer/);
    assert.equal(native.xenOpen(7), -errno.ENOSYS);
    assert.equal(native.xenLoad(folder), '');
  },

  'a guest that does not exist is no guest in any call': () => {
    host.renew(1);
    const arena = native.arena(PAGE) as ArrayBuffer;
    for (const guest of [-1, 0, 255, 256, 2 ** 31, Number.NaN]) {
      const answers = [
        native.xenClose(guest),
        native.xenRestricted(guest),
        native.xenCreateServer(guest),
        native.xenMapRequests(guest),
        native.xenClaimPci(guest, 2, 0),
        native.xenSetRange(guest, true, true, 0, 1),
        native.xenEnable(guest),
        native.xenVcpus(guest),
        native.xenBind(guest, 0),
        native.xenFd(guest),
        native.xenServe(guest, 0, 0),
        native.xenPlain(guest, 0, null, null),
        native.xenPump(guest),
        native.xenNext(guest, new Uint32Array(8)),
        native.xenAnswer(guest, 0, 0, 0),
        native.xenCounts(guest, new Float64Array(3)),
        native.xenMsi(guest, 0, 0),
        native.xenIntx(guest, 2, true),
        native.xenMapMemType(guest, 4, 2),
        native.xenSetMemType(guest, 4, 0, 1),
        native.xenMapFrames(guest, arena, 0, 0, new Uint8Array(1)),
      ];
      assert.deepEqual(new Set(answers), new Set([-errno.EBADF]));
    }
    for (const domid of [-1, 0x7ff0, 2 ** 31, 2 ** 32 + 7, 1.5, Number.NaN]) {
      assert.equal(native.xenOpen(domid), -errno.EINVAL);
      assert.equal(native.xenDestroyServer(domid, 3), -errno.EINVAL);
      assert.equal(native.xenMapHost(domid, true, 1, 1, 1), -errno.EINVAL);
    }
    for (const server of [-1, 65536 + 3, Number.NaN]) assert.equal(native.xenDestroyServer(7, server), -errno.EINVAL);
    native.unmap(arena);
  },

  'a request is served, and a plain read is answered without JavaScript': () => {
    const { server, waiter, device, fd, end } = attach(2);
    device.bank[4] = 0x1234;
    host.ask(fd, 0, BAR0 + 16, 4);
    assert.equal(waiter.run(50e6, 64), 0);
    assert.equal(host.answer(0), 0x1234n);
    assert.equal(device.asked, 0);
    host.ask(fd, 1, BAR0 + 80, 4, 0x55);
    assert.equal(waiter.run(1e9, 64), 1);
    assert.equal(device.bank[20], 0x55);
    host.ask(fd, 0, BAR0 + 80, 4);
    host.ask(fd, 1, BAR0 + 16, 8);
    waiter.run(1e9, 64);
    assert.deepEqual([host.answer(0), host.answer(1)], [0x55n, 0x1234n]);
    const { requests, plainReads } = server.counts();
    assert.deepEqual([requests, plainReads, device.answered, server.counters.unanswered], [4, 2, 2, 0]);
    assert.equal(host.get('notified'), 4);
    end();
  },

  'the arrays of plain registers live as long as they are read': () => {
    host.renew(1);
    const guest = native.xenOpen(7);
    native.xenCreateServer(guest);
    native.xenMapRequests(guest);
    native.xenEnable(guest);
    native.xenBind(guest, 0);
    native.xenPlain(guest, BAR0, new Uint32Array(2 ** 20).fill(9), new Uint8Array(2 ** 20).fill(1));
    for (let i = 0; i < 40; i++) new Uint8Array(2 ** 24).fill(i);
    host.ask(native.xenFd(guest), 0, BAR0 + 2 ** 22 - 4, 4);
    assert.equal(native.xenPump(guest), 0);
    assert.equal(host.answer(0), 9n);
    assert.equal(native.xenPlain(guest, BAR0, new Uint32Array(4), new Uint8Array(5)), -errno.EINVAL);
    assert.equal(native.xenPlain(guest, BAR0, null, null), 0);
    assert.equal(native.xenNext(guest, new Uint32Array(7)), -errno.EBADF);
    assert.equal(native.xenCounts(guest, new Float64Array(2)), -errno.EINVAL);
    assert.equal(native.xenSetRange(guest, true, true, -1, 5), -errno.EINVAL);
    assert.equal(native.xenSetRange(guest, true, true, 0, 0), -errno.EINVAL);
    assert.equal(native.xenClose(guest), 0);
    assert.deepEqual(host.leftovers, []);
  },

  'a guest let go in the middle of its request is answered, and its number is free': () => {
    const { server, waiter, device, fd, end, detached } = attach(2);
    device.before = () => server.close();
    host.ask(fd, 0, BAR0 + 80, 4);
    host.ask(fd, 1, BAR0 + 80, 4);
    waiter.run(1e9, 64);
    assert.deepEqual([host.answer(0), host.answer(1)], [2n ** 64n - 1n, 2n ** 64n - 1n]);
    assert.equal(detached(), 1);
    assert.equal(native.xenAnswer(server.guest.handle, 0, 0, 0), -errno.EBADF);
    end();
  },

  'a guest whose events cannot be read is let go': () => {
    const { waiter, fd, end, detached, logs } = attach(1);
    host.set('fail', FUNCTION.PENDING);
    host.set('failErrno', errno.EFBIG);
    native.signal(fd);
    waiter.run(1e9, 64);
    assert.equal(detached(), 1);
    assert.ok(logs.some((line) => line.includes('its events cannot be read: EFBIG')));
    host.set('fail', 0);
    end();
  },

  'guest memory is the guest’s, with what is missing told apart': () => {
    const { server, end } = attach(1);
    const { memory } = server.guest;
    host.ram(5)[0] = 0xab;
    const at = memory.locate(5);
    assert.equal(memory.bytes[at * 4], 0xab);
    memory.words[at + 1] = 0x01020304;
    assert.deepEqual([...host.ram(5).subarray(4, 8)], [4, 3, 2, 1]);
    assert.equal(memory.locate(6), -1);
    assert.ok(memory.locate(7) >= 0);
    // Two windows more than fit: what was mapped first is let go, and its place is somebody else's.
    assert.ok(memory.locate(256) >= 0 && memory.locate(512) >= 0);
    host.ram(5)[0] = 0xcd;
    assert.equal(memory.bytes[memory.locate(5) * 4], 0xcd);
    const { words } = memory;
    server.close();
    assert.equal(words[at], 0);
    end();
  },

  'memory that cannot be mapped leaves no hole where it was to be': () => {
    host.renew(1);
    const guest = native.xenOpen(7);
    const arena = native.arena(8 * PAGE) as ArrayBuffer;
    const view = new Uint32Array(arena);
    const present = new Uint8Array(8);
    assert.equal(native.xenMapFrames(guest, arena, 0, 0, present), 7);
    host.set('fail', FUNCTION.MAP2);
    host.set('failErrno', errno.ENOMEM);
    assert.equal(native.xenMapFrames(guest, arena, 0, 0, present), -errno.ENOMEM);
    for (let i = 0; i < view.length; i += 1024) assert.equal(view[i], 0);
    view[1024] = 7;
    assert.notEqual(host.ram(1)[0], 7);
    host.set('fail', 0);
    assert.equal(native.xenMapFrames(guest, arena, 0, 0, present), 7);
    assert.equal(native.xenUnmapFrames(arena, 0, 8), 0);
    for (let i = 0; i < view.length; i += 1024) assert.equal(view[i], 0);
    for (const [at, count] of [
      [1, 1],
      [8 * PAGE, 1],
      [7 * PAGE, 2],
      [-PAGE, 1],
      [Number.NaN, 1],
      [0, 0],
    ] as const) {
      assert.equal(native.xenMapFrames(guest, arena, at, 0, new Uint8Array(count)), -errno.EINVAL);
      assert.equal(native.xenUnmapFrames(arena, at, count), -errno.EINVAL);
    }
    assert.equal(native.xenMapFrames(guest, new ArrayBuffer(PAGE), 0, 0, new Uint8Array(1)), -errno.EINVAL);
    assert.equal(native.xenMapFrames(guest, arena, 0, -1, new Uint8Array(1)), -errno.EINVAL);
    assert.equal(native.xenMapFrames(guest, arena, 0, 2 ** 60, new Uint8Array(1)), -errno.EINVAL);
    native.unmap(arena);
    assert.equal(native.xenMapFrames(guest, arena, 0, 0, new Uint8Array(1)), -errno.EINVAL);
    assert.equal(native.xenUnmapFrames(arena, 0, 1), -errno.EINVAL);
    native.xenClose(guest);
    assert.deepEqual(host.leftovers, []);
  },

  'frames of the host are mapped in the sizes that Xen takes, by the version that it has': () => {
    host.renew(1);
    assert.equal(native.xenMapHost(7, true, 0x1000, 0x90000, 40), 0);
    assert.equal(host.get('permitted'), 40);
    assert.deepEqual(host.mappings, [
      [0x1000, 0x90000, 16, 1],
      [0x1010, 0x90010, 16, 1],
      [0x1020, 0x90020, 8, 1],
    ]);
    const tries = host.get('domctlTries');
    assert.equal(native.xenMapHost(7, false, 0x1000, 0x90000, 40), 0);
    assert.equal(host.get('permitted'), 0);
    assert.equal(host.mappings.length, 6);
    // 1 for the version that is known by now, 2 for sizes that are too large, 3 that are not.
    assert.equal(host.get('domctlTries') - tries, 6);
    assert.equal(native.xenMapHost(7, true, -1, 0, 1), -errno.EINVAL);
    assert.deepEqual(host.leftovers, []);
  },

  '256 guests at a time have a number, and every number is given again': () => {
    host.renew(1);
    const guests = Array.from({ length: 256 }, () => native.xenOpen(7));
    assert.deepEqual(
      [...guests].sort((a, b) => a - b),
      [...guests.keys()],
    );
    assert.equal(native.xenOpen(7), -errno.ENOSPC);
    for (const guest of guests) assert.equal(native.xenClose(guest), 0);
    assert.deepEqual(host.leftovers, []);
    const again = native.xenOpen(7);
    assert.equal(again, 0);
    native.xenClose(again);
  },
};

let passed = 0;
let failed = 0;
process.env.XENGT_XEN_LIBS = folder;
for (const [name, check] of Object.entries(checks)) {
  try {
    check();
    passed++;
    process.stdout.write(`ok   ${name}\n`);
  } catch (error) {
    failed++;
    process.stdout.write(`FAIL ${name}\n  ${error instanceof Error ? error.stack : reasonOf(error)}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
