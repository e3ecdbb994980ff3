import { writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import { COMMAND } from '../../../src/hypervisor/vfio-user/protocol.js';
import { closeFile, fields, openFds, Rig, type TestClient } from './rig.js';

const native = loadNative();

/** DATA_* | ACTION_* of linux/vfio.h. */
const EVENTFD_TRIGGER = 0x24;
const NONE_TRIGGER = 0x21;
const NONE_MASK = 0x09;
const NONE_UNMASK = 0x11;

describe.runIf(native)('interrupts over vfio-user', () => {
  let rig: Rig;
  let client: TestClient;
  let event: number;
  beforeEach(() => {
    rig = new Rig(native as Native);
    client = rig.attach();
    event = rig.native.eventfd();
  });
  afterEach(() => {
    expect(rig.server.counters.unanswered).toBe(0);
    rig.native.close(event);
    client.close();
    rig.close();
  });

  const setIrqs = (flags: number, index: number, start: number, count: number, fds?: number[]): number =>
    rig.ask(client, COMMAND.SET_IRQS, fields(20, flags, index, start, count), fds ? { fds } : {}).errno;

  it('reach the guest as messages through the eventfd that its VMM gave', () => {
    expect(setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event])).toBe(0);
    rig.port?.injectMsi(0xfee00000, 0x4021);
    rig.port?.injectMsi(0xfee00000, 0x4021);
    expect(rig.native.drain(event)).toBe(2);
    expect(rig.server.counters.msiSignalled).toBe(2);
  });

  it('are counted as dropped while the VMM has given no eventfd, or has taken it back', () => {
    rig.port?.injectMsi(0, 0);
    setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event]);
    expect(setIrqs(NONE_TRIGGER, 1, 0, 0)).toBe(0);
    rig.port?.injectMsi(0, 0);
    setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event]);
    expect(setIrqs(EVENTFD_TRIGGER, 1, 0, 1)).toBe(0);
    rig.port?.injectMsi(0, 0);
    expect(rig.native.drain(event)).toBe(0);
    expect(rig.server.counters.msiDropped).toBe(3);
  });

  it('replace the descriptor when a new one is given, and leak none', () => {
    const other = rig.native.eventfd();
    const before = openFds();
    setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event]);
    for (let i = 0; i < 50; i++) setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [other]);
    rig.port?.injectMsi(0, 0);
    expect([rig.native.drain(event), rig.native.drain(other)]).toEqual([0, 1]);
    setIrqs(NONE_TRIGGER, 1, 0, 0);
    expect(openFds()).toBe(before);
    rig.native.close(other);
  });

  it('by line fire once, and again after unmasking only while the line is still asserted', () => {
    setIrqs(EVENTFD_TRIGGER, 0, 0, 1, [event]);
    rig.port?.setIntx(true);
    rig.port?.setIntx(true);
    expect(rig.native.drain(event)).toBe(1);
    expect(setIrqs(NONE_UNMASK, 0, 0, 1)).toBe(0);
    expect(rig.native.drain(event)).toBe(1);
    rig.port?.setIntx(false);
    setIrqs(NONE_UNMASK, 0, 0, 1);
    expect(rig.native.drain(event)).toBe(0);
    rig.port?.setIntx(true);
    expect(rig.native.drain(event)).toBe(1);
  });

  it('by line wait while the VMM masks them', () => {
    setIrqs(EVENTFD_TRIGGER, 0, 0, 1, [event]);
    expect(setIrqs(NONE_MASK, 0, 0, 1)).toBe(0);
    rig.port?.setIntx(true);
    expect(rig.native.drain(event)).toBe(0);
    setIrqs(NONE_UNMASK, 0, 0, 1);
    expect(rig.native.drain(event)).toBe(1);
  });

  it('by line that were asserted before the VMM listened are told when it does', () => {
    rig.port?.setIntx(true);
    expect(rig.server.counters.intxDropped).toBe(1);
    setIrqs(EVENTFD_TRIGGER, 0, 0, 1, [event]);
    expect(rig.native.drain(event)).toBe(1);
  });

  it('can be tried out by the VMM', () => {
    setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event]);
    expect(setIrqs(NONE_TRIGGER, 1, 0, 1)).toBe(0);
    expect(rig.native.drain(event)).toBe(1);
  });

  it('do not hold the daemon up when the VMM leaves its eventfd full', () => {
    setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [event]);
    // The largest count that an eventfd holds: one more event does not fit.
    const full = Buffer.alloc(8, 0xff);
    full[0] = 0xfe;
    expect(writeSync(event, full)).toBe(8);
    for (let i = 0; i < 3; i++) rig.port?.injectMsi(0, 0);
    expect(rig.native.drain(event)).toBe(2 ** 64);
    rig.port?.injectMsi(0, 0);
    expect(rig.native.drain(event)).toBe(1);
  });

  it('are not written to anything that is no eventfd', () => {
    const file = rig.ram(4096);
    expect(setIrqs(EVENTFD_TRIGGER, 1, 0, 1, [file])).not.toBe(0);
    expect(rig.server.counters.refusals['set-irqs.not-an-eventfd']).toBe(1);
    rig.port?.injectMsi(0, 0);
    expect(rig.server.counters.msiDropped).toBe(1);
    closeFile(file);
  });
});
