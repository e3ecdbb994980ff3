/** What the command scanner does for guests that run: processes' batches, verdicts that are used again, what operators see. */
import { beforeEach, describe, expect, test } from 'vitest';
import { BCS, ENGINES, platformByName, RCS, VCS } from '../../src/hw/index.js';
import { Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const BATCH = 0x200;
const OTHER = 0x202;
const DATA = 0x201;
const GDRST = 0x941c;
const LRI = 0x11000001;
/** Where the blitter's ring begins: whoever writes it decides what runs with privilege. Source: PRM SKL Vol 2c. */
const BCS_RING_START = 0x22038;
const BCS_GPR0 = 0x22600;
const RCS_RING_START = 0x2038;
const COMPLETE = 0x18;

let machine: Machine;
let driver: ScriptedDriver;
let neighbour: ScriptedDriver;
beforeEach(() => {
  machine = new Machine();
  driver = machine.boot();
  neighbour = machine.boot();
});

const scans = (who = driver) => machine.core.arbiter.scanStats(who.vgpu.id);

/** A process's batch at 1 GiB, and its data at 2 GiB. */
function write(commands: readonly number[], who = driver): void {
  who.guest.mapPpgtt(GIB, BATCH);
  who.guest.mapPpgtt(2 * GIB, DATA);
  who.guest
    .page(BATCH)
    .fill(0)
    .set([...commands, BATCH_END]);
}

function submit(engine: 0 | 1 | 2, who = driver, slot = 0): void {
  who.submit(engine, slot, [...startBatch(GIB), USER_INTERRUPT]);
  machine.run();
}

/** MI_SEMAPHORE_WAIT, polling, until the dword at `address` of the global GTT is `value`. */
const waitFor = (address: number, value: number): number[] => [
  0x0e000002 | (1 << 22) | (1 << 15) | (4 << 12),
  value,
  address,
  0,
];

/** What a driver does when an engine does not come back. */
function resetEngine(engine: 0 | 1 | 2, who = driver): void {
  who.write(GDRST, 1 << ENGINES[engine]!.resetBit);
  who.startEngine(engine);
}

describe('a process on the blitter of Gen9, whose hardware checks no registers', () => {
  test('finds the results of a batch that is in order', () => {
    write([...storeDword(2 * GIB + 4, 0xcafe, false), LRI, BCS_GPR0, 7]);
    submit(BCS);
    expect(driver.guest.page(DATA)[1]).toBe(0xcafe);
    expect(driver.events(BCS).at(-1)?.status).toBe(COMPLETE);
    expect(scans()).toMatchObject({ judged: 1, reused: 0 });
    expect(driver.vgpu.allRefusals()).toEqual({});
    expect(machine.violations).toBe(0);
  });

  test('loses a batch that writes a register of the ring, and its guest keeps its vGPU', () => {
    const before = machine.core.gpu.read32(BCS_RING_START);
    write([...storeDword(2 * GIB, 1, false), LRI, BCS_RING_START, 0x1000]);
    submit(BCS);
    expect(machine.core.gpu.read32(BCS_RING_START)).toBe(before);
    expect(driver.guest.page(DATA)[0], 'nothing of the batch ran').toBe(0);
    expect(driver.workloads).toEqual({ BCS: { dropped: 1 } });
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-register-write': 1 });
    expect(driver.vgpu.state).toBe('attached');
    expect(driver.vgpu.lastDropped).toMatch(
      /^BCS batch 0x40000000 dword 4: MI_LOAD_REGISTER_IMM \(0x11000001\) refused \[register-write\]: register 0x22038 .*\.$/,
    );

    write([...storeDword(2 * GIB, 5, false)], neighbour);
    submit(BCS, neighbour);
    expect(neighbour.guest.page(DATA)[0]).toBe(5);
    expect(neighbour.vgpu.allRefusals()).toEqual({});

    resetEngine(BCS);
    write(storeDword(2 * GIB, 6, false));
    submit(BCS, driver, 1);
    expect(driver.guest.page(DATA)[0]).toBe(6);
    expect(driver.events(BCS).at(-1)?.status).toBe(COMPLETE);
    expect(machine.violations).toBe(0);
  });

  test('has what it submits behind a refused batch not run', () => {
    const go = driver.guest.bind(0x1100, OTHER);
    write([LRI, BCS_RING_START, 0]);
    neighbour.submit(BCS, 0, [...waitFor(neighbour.guest.bind(0x1100, OTHER), 1), 0, 0]);
    machine.run(1e5);
    const { lrca } = driver.guest.context(0, [...startBatch(GIB), 0, ...storeDword(go + 8, 1, true)]);
    const state = driver.guest.page(0x101);
    const tail = state[7]!;
    state[7] = 16;
    driver.writeElsp(BCS, [lrca + 0x139, 9]);
    state[7] = tail;
    driver.writeElsp(BCS, [lrca + 0x139, 9]);
    neighbour.guest.page(OTHER)[0] = 1;
    machine.run();
    expect(driver.workloads).toEqual({ BCS: { dropped: 1 } });
    expect(driver.guest.page(OTHER)[2]).toBe(0);
    expect(driver.vgpu.lastDropped).toContain('register 0x22038');
    expect(neighbour.workloads).toEqual({ BCS: { complete: 1 } });
  });

  test('is judged through its own page tables, across frames that lie apart, and in chained batches', () => {
    write([]);
    driver.guest.mapPpgtt(GIB + 4096, OTHER);
    driver.guest.page(BATCH).fill(0);
    driver.guest.page(BATCH).set(storeDword(2 * GIB, 1, false).slice(0, 2), 1022);
    driver.guest.page(OTHER).set(storeDword(2 * GIB, 1, false).slice(2));
    driver.guest.page(OTHER).set(startBatch(GIB + 4096 + 0x100), 2);
    driver.guest.page(OTHER).set([...storeDword(2 * GIB + 4, 2, false), BATCH_END], 0x40);
    submit(BCS);
    expect([...driver.guest.page(DATA).subarray(0, 2)]).toEqual([1, 2]);
    driver.guest.page(OTHER).set([LRI, BCS_RING_START, 0, BATCH_END], 0x40);
    submit(BCS, driver, 1);
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-register-write': 1 });
    expect(driver.vgpu.lastDropped).toContain('batch 0x40001100 dword 0');
  });

  test('changes nothing by writing to a batch that was judged, nor by mapping another page in its place', () => {
    const go = driver.guest.bind(0x1100, OTHER);
    write(storeDword(2 * GIB, 0x600d, false));
    driver.submit(BCS, 0, [...waitFor(go, 1), ...startBatch(GIB), 0]);
    machine.run();
    expect(scans()).toMatchObject({ judged: 1 });
    driver.guest.page(BATCH).set([LRI, BCS_GPR0, 1, ...storeDword(2 * GIB, 0xbad, false), BATCH_END]);
    driver.guest.mapPpgtt(GIB, 0x203);
    driver.guest.page(0x203).set([...storeDword(2 * GIB + 4, 0xbad, false), BATCH_END]);
    driver.guest.page(OTHER)[0] = 1;
    machine.run();
    expect([...driver.guest.page(DATA).subarray(0, 2)]).toEqual([0x600d, 0]);
    expect(driver.workloads).toEqual({ BCS: { complete: 1 } });
    expect(machine.violations).toBe(0);
  });

  test('is not what its guest’s driver answers for: a ring that breaks a rule itself costs the vGPU', () => {
    const theirs = neighbour.guest.bind(0x1100, DATA);
    write([LRI, BCS_RING_START, 0]);
    driver.submit(BCS, 0, [...startBatch(GIB), 0, ...storeDword(theirs, 0xbad, true)]);
    machine.run();
    expect(driver.vgpu.state).toBe('failsafe');
    expect(driver.vgpu.reason).toMatch(/^BCS ring dword \d+: MI_STORE_DATA_IMM .*\[address\]/);
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-address': 1 });
    expect(driver.workloads).toEqual({ BCS: { rejected: 1 } });
    expect(neighbour.guest.page(DATA)[0]).toBe(0);
  });

  test('with a batch that never ends in its memory is refused within a bounded time', () => {
    write([]);
    driver.guest.page(BATCH).fill(0);
    submit(BCS);
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-batch-unmapped': 1 });
    expect(driver.workloads).toEqual({ BCS: { dropped: 1 } });
  });
});

test('on Gen8, whose blitter checks registers, processes’ batches run unseen until they are asked for', () => {
  machine = new Machine({ platform: platformByName('BDW')! });
  driver = machine.boot({ type: 'V4_8' });
  write(storeDword(2 * GIB, 3, false));
  submit(BCS);
  expect(driver.guest.page(DATA)[0]).toBe(3);
  expect(scans()).toMatchObject({ judged: 0, commands: 2 });
  driver.vgpu.scanProcesses = 'all';
  submit(BCS, driver, 1);
  expect(scans()).toMatchObject({ judged: 0, commands: 6 });
  expect(driver.workloads).toEqual({ BCS: { complete: 2 } });
});

describe('batches of processes on all engines, where the operator wants them judged', () => {
  const bad = () => write([...storeDword(2 * GIB, 1, false), LRI, RCS_RING_START, 0x1000]);

  test('run unseen by default: the hardware refuses what they must not do', () => {
    bad();
    submit(RCS);
    expect(driver.workloads).toEqual({ RCS: { complete: 1 } });
    expect(driver.guest.page(DATA)[0]).toBe(1);
  });

  test('run where they are when they are in order, and are refused when they are not', () => {
    machine.core.remove(driver.vgpu.id);
    driver = machine.boot({ scanProcesses: 'all' });
    for (const engine of [RCS, VCS] as const) {
      write(storeDword(2 * GIB + 4 * engine, 0x600d, false));
      submit(engine, driver, engine);
      expect(driver.guest.page(DATA)[engine]).toBe(0x600d);
    }
    driver.guest.page(DATA)[0] = 0;
    bad();
    submit(RCS);
    expect(driver.guest.page(DATA)[0]).toBe(0);
    expect(driver.workloads).toEqual({ RCS: { complete: 1, dropped: 1 }, VCS: { complete: 1 } });
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-register-write': 1 });
    expect(driver.vgpu.state).toBe('attached');
    expect(driver.vgpu.lastDropped).toMatch(/^RCS batch 0x40000000 dword 4: MI_LOAD_REGISTER_IMM/);
  });

  test('are judged, and judged no more, from the next submission on', () => {
    driver.vgpu.scanProcesses = 'all';
    bad();
    submit(RCS);
    expect(driver.workloads).toEqual({ RCS: { dropped: 1 } });
    resetEngine(RCS);
    driver.vgpu.scanProcesses = 'needed';
    submit(RCS, driver, 1);
    expect(driver.workloads).toEqual({ RCS: { dropped: 1, complete: 1 } });
  });

  test('stay judged when the guest of the vGPU comes back', () => {
    driver.vgpu.scanProcesses = 'all';
    driver.vgpu.detach();
    driver.bus.attach();
    driver.bringUp();
    bad();
    submit(RCS);
    expect(driver.workloads.RCS).toEqual({ dropped: 1 });
  });
});

describe('a batch that is started again', () => {
  /** A privileged batch that stores `value`. */
  function privileged(value: number): void {
    const data = driver.guest.bind(0x1100, DATA);
    const batch = driver.guest.bind(0x1101, BATCH);
    driver.guest.page(BATCH).set([...storeDword(data, value, true), BATCH_END]);
    driver.submit(RCS, 0, [0x18800001, batch, 0, USER_INTERRUPT]);
    machine.run();
    expect(driver.guest.page(DATA)[0]).toBe(value);
    driver.guest.page(DATA)[0] = 0;
  }

  test('three times is judged twice at most, and once more for one dword that changed', () => {
    for (let i = 0; i < 3; i++) privileged(0x11);
    const { judged, reused, verdicts, verdictBytes, changed } = scans();
    expect({ judged, reused, verdicts, changed }).toEqual({ judged: 2, reused: 1, verdicts: 1, changed: 0 });
    expect(verdictBytes).toBeGreaterThan(0);
    privileged(0x12);
    expect(scans()).toMatchObject({ judged: 3, reused: 1, changed: 1 });
    privileged(0x12);
    expect(scans()).toMatchObject({ judged: 3, reused: 2, changed: 1 });
    expect(machine.violations).toBe(0);
  });

  test('and now breaks a rule is refused, whatever it was before', () => {
    for (let i = 0; i < 3; i++) privileged(0x11);
    driver.guest.page(BATCH)[1] = 0x1000;
    driver.submit(RCS, 0, [0x18800001, driver.guest.bind(0x1101, BATCH), 0, USER_INTERRUPT]);
    machine.run();
    expect(driver.vgpu.reason).toContain('[address]');
    expect(driver.vgpu.allRefusals()).toEqual({ 'scan-address': 1 });
  });

  test('by a process of the blitter is one process’s verdict', () => {
    write(storeDword(2 * GIB, 4, false));
    for (let i = 0; i < 4; i++) submit(BCS);
    expect(scans()).toMatchObject({ judged: 2, reused: 2 });
    expect(driver.workloads).toEqual({ BCS: { complete: 4 } });
    write(storeDword(2 * GIB, 4, false), neighbour);
    submit(BCS, neighbour);
    expect(scans(neighbour)).toMatchObject({ judged: 1, reused: 0 });
  });

  test('is judged anew after a reset of the vGPU', () => {
    for (let i = 0; i < 3; i++) privileged(0x11);
    driver.vgpu.reset();
    expect(scans()).toMatchObject({ verdicts: 0, verdictBytes: 0, judged: 2 });
    driver.bringUp();
    privileged(0x11);
    expect(scans()).toMatchObject({ judged: 3, reused: 1 });
  });

  test('counts on for the vGPU’s next guest, and ends with the vGPU', () => {
    for (let i = 0; i < 3; i++) privileged(0x11);
    const before = scans();
    driver.vgpu.detach();
    expect(scans()).toEqual({ ...before, verdicts: 0, verdictBytes: 0 });
    driver.bus.attach();
    driver.bringUp();
    privileged(0x11);
    expect(scans()).toMatchObject({ judged: 3, reused: 1, commands: before.commands + before.commands / 3 });
    const stats = machine.core.stats(0).vgpus.find(({ id }) => id === driver.vgpu.id);
    expect(stats?.scan).toEqual(scans());
    machine.core.remove(driver.vgpu.id);
    expect(scans()).toMatchObject({ judged: 0, commands: 0 });
  });
});
