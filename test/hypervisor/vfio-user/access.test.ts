import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import { COMMAND, FLAG } from '../../../src/hypervisor/vfio-user/protocol.js';
import { concat, fields, message, Rig, readBody, type TestClient, versionBody, writeBody } from './rig.js';

const native = loadNative();

describe.runIf(native)('a guest behind vfio-user', () => {
  let rig: Rig;
  let client: TestClient;
  beforeEach(() => {
    rig = new Rig(native as Native);
    client = rig.attach();
  });
  afterEach(() => {
    expect(rig.server.counters.unanswered).toBe(0);
    client.close();
    rig.close();
  });

  it.each([1, 2, 4])('reads a register %i bytes wide', (bytes) => {
    const { body } = rig.ask(client, COMMAND.REGION_READ, readBody(0, 0x2030, bytes));
    expect(body.byteLength).toBe(16 + bytes);
    expect(body.getUint32(12, true)).toBe(bytes);
    const value = bytes === 1 ? body.getUint8(16) : bytes === 2 ? body.getUint16(16, true) : body.getUint32(16, true);
    expect(value).toBe(((0x2030 ^ 0xabcd0000) >>> 0) % 2 ** (8 * bytes));
  });

  it('reads both halves of an 8-byte register', () => {
    const { body } = rig.ask(client, COMMAND.REGION_READ, readBody(0, 0x2358, 8));
    expect([body.getUint32(16, true), body.getUint32(20, true)]).toEqual([0xabcd2358, 0x11223344]);
  });

  it('writes registers, the aperture and configuration space at every width', () => {
    rig.ask(client, COMMAND.REGION_WRITE, writeBody(0, 0x9, [0x11]));
    rig.ask(client, COMMAND.REGION_WRITE, writeBody(7, 0x4, [0x07, 0x80]));
    rig.ask(client, COMMAND.REGION_WRITE, writeBody(2, 0x10000, [1, 2, 3, 0xff]));
    rig.ask(client, COMMAND.REGION_WRITE, writeBody(0, 0x800000, [1, 0, 0, 0, 2, 0, 0, 0x80]));
    expect(rig.device.writes).toEqual([
      { space: 0, offset: 0x9, bytes: 1, lo: 0x11, hi: 0 },
      { space: 7, offset: 0x4, bytes: 2, lo: 0x8007, hi: 0 },
      { space: 2, offset: 0x10000, bytes: 4, lo: 0xff030201, hi: 0 },
      { space: 0, offset: 0x800000, bytes: 8, lo: 1, hi: 0x80000002 },
    ]);
  });

  it('gets no answer to posted writes, and its next read sees them all done', () => {
    for (let i = 0; i < 5000; i++) {
      client.raw(
        message(i, COMMAND.REGION_WRITE, writeBody(0, 0x2000 + 4 * (i & 15), [i & 255, i >> 8, 0, 0]), FLAG.NO_REPLY),
      );
      if (i % 200 === 199) rig.settle();
    }
    const reply = rig.ask(client, COMMAND.REGION_READ, readBody(0, 0x2000, 4));
    expect(reply.errno).toBe(0);
    expect(rig.device.writes.map((w) => w.lo)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    expect(rig.server.counters.posted).toBe(5000);
  });

  it('has coalesced writes done in order', () => {
    const one = (offset: number, count: number, data: number[]): Uint8Array =>
      concat(fields(BigInt(offset), 0, count), Uint8Array.from([...data, ...Array(8 - data.length).fill(0xee)]));
    const body = concat(
      fields(3n),
      one(0x10, 4, [1, 2, 3, 4]),
      one(0x20, 1, [9]),
      one(0x800008, 8, [1, 0, 0, 0, 5, 0, 0, 0]),
    );
    client.send(COMMAND.REGION_WRITE_MULTI, body, { flags: FLAG.NO_REPLY });
    const { body: answer } = rig.ask(client, COMMAND.REGION_WRITE_MULTI, concat(fields(1n), one(0x30, 2, [7, 1])));
    expect(answer.getUint32(0, true)).toBe(1);
    expect(rig.device.writes).toEqual([
      { space: 0, offset: 0x10, bytes: 4, lo: 0x04030201, hi: 0 },
      { space: 0, offset: 0x20, bytes: 1, lo: 9, hi: 0 },
      { space: 0, offset: 0x800008, bytes: 8, lo: 1, hi: 5 },
      { space: 0, offset: 0x30, bytes: 2, lo: 0x0107, hi: 0 },
    ]);
    expect(rig.server.counters.coalescedWrites).toBe(4);
  });

  it('reads and writes configuration space across dwords as hardware decodes byte enables', () => {
    const { body } = rig.ask(client, COMMAND.REGION_READ, readBody(7, 0x0f, 2));
    expect([body.getUint8(16), body.getUint8(17)]).toEqual([0x0f, 0x10]);
    rig.ask(client, COMMAND.REGION_WRITE, writeBody(7, 0x0f, [0xaa, 0xbb]));
    expect(rig.device.writes).toEqual([
      { space: 7, offset: 0x0f, bytes: 1, lo: 0xaa, hi: 0 },
      { space: 7, offset: 0x10, bytes: 1, lo: 0xbb, hi: 0 },
    ]);
  });

  it('is served one budget at a time, so that others get their turn', () => {
    for (let i = 0; i < 10; i++) {
      client.raw(message(i, COMMAND.REGION_WRITE, writeBody(0, 4 * i, [i, 0, 0, 0]), FLAG.NO_REPLY));
    }
    rig.waiter.run(0, 4);
    expect(rig.device.writes.length).toBe(4);
    expect(rig.waiter.hasMore).toBe(true);
    rig.waiter.run(1e9, 4);
    expect(rig.device.writes.length).toBe(8);
    rig.waiter.run(1e9, 4);
    expect(rig.device.writes.length).toBe(10);
  });

  it('is understood however its messages are cut on their way', () => {
    const bytes = concat(
      ...Array.from({ length: 40 }, (_, i) => message(i, COMMAND.REGION_WRITE, writeBody(0, i, [i]), FLAG.NO_REPLY)),
      message(99, COMMAND.REGION_READ, readBody(0, 8, 4)),
    );
    for (let at = 0; at < bytes.length; at += 7) {
      client.raw(bytes.subarray(at, at + 7));
      rig.settle();
    }
    expect(rig.device.writes.map((w) => w.lo)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(client.replies().map((r) => r.id)).toEqual([99]);
  });

  it('that does not read its answers is not listened to until it does, and then misses none', () => {
    const ask = message(1, COMMAND.REGION_READ, readBody(7, 0, 256));
    let sent = 0;
    for (;;) {
      const taken = client.raw(ask);
      if (taken < 0) {
        const before = rig.server.counters.requests;
        rig.settle();
        if (rig.server.counters.requests === before) break;
      } else {
        sent++;
      }
    }
    expect(rig.server.counters.requests).toBeLessThan(sent);
    let answers = 0;
    for (;;) {
      const got = client.replies().length;
      rig.settle();
      if (got === 0) break;
      answers += got;
    }
    expect(answers).toBe(sent);
  });

  it('gets an error when the device fails, and the connection goes on', () => {
    const bug = new Error('a bug');
    rig.device.fault = bug;
    expect(rig.ask(client, COMMAND.REGION_READ, readBody(0, 0, 4)).flags).toBe(FLAG.REPLY | FLAG.ERROR);
    rig.device.fault = null;
    expect(rig.ask(client, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    expect(rig.server.counters.refusals.internal).toBe(1);
    // Its vGPU is told what it was, and goes to failsafe.
    expect(rig.faults).toEqual([bug]);
  });

  it('cannot be attached twice over one connection', () => {
    expect(rig.ask(client, COMMAND.VERSION, versionBody()).errno).not.toBe(0);
    expect(rig.server.counters.refusals['version.repeated']).toBe(1);
  });
});
