/**
 * A guest gone mad: random accesses of every kind, random page tables, contexts, rings and commands, resets and memory that
 * comes and goes. Whatever it does, nothing is thrown, the mediator comes to rest, what it holds stays bounded, the device
 * touches nobody else's memory, and the neighbour's work comes out right.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CTX, ENGINES, type EngineId, PVINFO_BASE, platformByName, REGISTER_ROWS } from '../../src/hw/index.js';
import { SPACE, type Space } from '../../src/hypervisor/index.js';
import { DESCRIPTOR_FLAGS, DESCRIPTOR_FLAGS_32, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const SKL = platformByName('SKL')!;
const GIB = 2 ** 30;
const GGTT = 0x800000;
const FRAMES = 0x1000;
const BATCH_FRAME = 0x200;
const BATCHES = 5;
/** MI_FLUSH_DW without a post-sync operation. */
const FLUSH = 0x13000002;
const HANG_LIMITS = { checkNs: 1e5, stuckNs: 5e5, runNs: 1e6 };
/** Page tables of the storm are few; what the mediator holds for them must be too. */
const MOST_SHADOW_PAGES = 4096;

/** Dwords of a command; to the one at `own`, the address of the guest's own graphics memory is added (-1: to none). */
interface Command {
  readonly words: readonly number[];
  readonly own: number;
}

/** One thing that the guest does, as plain data, so that a counterexample says what it was. */
type Step =
  | { kind: 'access'; space: Space; at: number; bytes: number; lo: number; hi: number; write: boolean; own: boolean }
  | { kind: 'ggtt'; page: number; lo: number; hi: number; halves: boolean }
  | { kind: 'memory'; gfn: number; dword: number; value: number }
  | { kind: 'context'; engine: EngineId; slot: number; commands: Command[]; spoil: [number, number] | null; id: number }
  | { kind: 'batch'; gfn: number; commands: Command[] }
  | { kind: 'elsp'; engine: EngineId; dwords: number[] }
  | { kind: 'notify'; code: number; pdps: number[] }
  | { kind: 'map'; gfn: number; count: number; there: boolean }
  | { kind: 'time'; ns: number }
  | { kind: 'interrupt' | 'reset' | 'reattach' };

// ---- what the guest does, by chance

/** Registers that do something when they are written or read. */
const BEHAVING = REGISTER_ROWS.filter(
  (row) => ((row.platforms ?? SKL.bit) & SKL.bit) !== 0 && (row.write !== undefined || row.read !== undefined),
).map((row) => row.offset);

const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.nat(0xff),
  fc.nat(15).map((bit) => (0x10001 << bit) >>> 0),
  fc.constantFrom(0xffffffff, 0x80000000, 0xffff0000, 0x7fffffff),
);
const high = fc.oneof(fc.constant(0), u32);
const engine = fc.constantFrom(...SKL.engines);
const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.constant(4) },
  { weight: 4, arbitrary: fc.constantFrom(1, 2, 8) },
  { weight: 1, arbitrary: fc.constantFrom(0, 3, 5, 6, 7, 16) },
);
/** Frames of page tables, contexts, rings, status pages and data; now and then one that is no memory. */
const frame = fc.oneof(fc.nat(0x40), fc.integer({ min: 0x80, max: 0x240 }), fc.nat(2 * FRAMES));
const entry = fc.tuple(frame, fc.nat(0xff)).map(([gfn, bits]) => gfn * 4096 + bits);
/** Pages of the high part, counted from its first: contexts, status pages, data. */
const page = fc.oneof(fc.nat(0x80), fc.integer({ min: 0xff8, max: 0x1210 }));
const register = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...BEHAVING) },
  { weight: 2, arbitrary: fc.tuple(engine, fc.nat(0x1ff)).map(([id, at]) => ENGINES[id]!.mmioBase + 4 * at) },
  { weight: 1, arbitrary: fc.nat(0xfff).map((at) => PVINFO_BASE + at) },
  { weight: 1, arbitrary: fc.nat(63).map((at) => 0x100000 + 4 * at) },
  { weight: 1, arbitrary: fc.nat(0x1fffff) },
);

function access(space: Space, at: fc.Arbitrary<number>, own = false): fc.Arbitrary<Step> {
  return fc
    .tuple(at, bytes, u32, u32, fc.boolean())
    .map(([offset, width, lo, hi, write]) => ({ kind: 'access', space, at: offset, bytes: width, lo, hi, write, own }));
}

function words(list: readonly number[], own = -1): Command {
  return { words: list, own };
}

/** Mostly right, now and then with an operand that is not. */
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(0x1000), u32).map(([at, value]) => words(storeDword(4 * at, value, true), 1)),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(0x800), u32).map(([at, value]) => words(storeDword(GIB + 4 * at, value, false))),
  },
  // A batch of the address space, which nobody scans, and one of the global table, which is copied and scanned.
  { weight: 8, arbitrary: fc.nat(0x4ff).map((at) => words([...startBatch(GIB + 4 * at), 0])) },
  { weight: 2, arbitrary: fc.nat(0x13ff).map((at) => words([0x18800001, 4 * at, 0, 0], 1)) },
  { weight: 8, arbitrary: fc.constantFrom([USER_INTERRUPT, 0], [0, 0], [FLUSH, 0, 0, 0]).map((list) => words(list)) },
  { weight: 1, arbitrary: fc.tuple(register, u32).map(([at, value]) => words([0x11000001, at, value, 0])) },
  { weight: 1, arbitrary: fc.array(u32, { maxLength: 6 }).map((list) => words(list)) },
);
const commands = fc.array(command, { maxLength: 8 });
/** Now and then a value of the register state is another one than it should be. */
const spoil = fc.oneof(
  { weight: 5, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...Object.values(CTX)), fc.oneof(u32, entry)) },
);
const descriptor = fc.oneof(
  u32,
  page.map((index) => index * 4096 + DESCRIPTOR_FLAGS),
);
const root = fc.oneof({ weight: 6, arbitrary: fc.nat(0x20).map((gfn) => gfn * 4096) }, { weight: 1, arbitrary: entry });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: access(SPACE.BAR0, register) },
  {
    weight: 3,
    arbitrary: access(
      SPACE.BAR0,
      fc.tuple(register, fc.nat(7)).map(([at, off]) => at + off),
    ),
  },
  { weight: 1, arbitrary: access(SPACE.BAR0, fc.integer({ min: 0x1ffff0, max: GGTT + 16 })) },
  {
    weight: 2,
    arbitrary: access(
      SPACE.BAR0,
      fc.nat(8 * 2 ** 20 - 1).map((at) => GGTT + at),
    ),
  },
  { weight: 3, arbitrary: access(SPACE.CONFIG, fc.nat(260)) },
  { weight: 3, arbitrary: access(SPACE.BAR2, fc.integer({ min: -8, max: 0x2000 }), true) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('ggtt'), page, lo: entry, hi: high, halves: fc.boolean() }) },
  // Page tables lie in the first frames.
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('memory'), gfn: fc.nat(0x20), dword: fc.nat(15), value: entry }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('memory'),
      gfn: fc.nat(0x240),
      dword: fc.nat(1023),
      value: fc.oneof(u32, entry),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({ kind: fc.constant('context'), engine, slot: fc.nat(7), commands, spoil, id: fc.nat(9) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('batch'),
      gfn: fc.integer({ min: BATCH_FRAME, max: BATCH_FRAME + BATCHES - 1 }),
      commands,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('elsp'),
      engine,
      dwords: fc.array(descriptor, { minLength: 4, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('notify'),
      code: fc.nat(9),
      pdps: fc.array(root, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('map'),
      gfn: fc.nat(0x240),
      count: fc.nat(0x20),
      there: fc.boolean(),
    }),
  },
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('time'), ns: fc.nat(300_000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('interrupt', 'interrupt', 'reset', 'reattach') }) },
) as fc.Arbitrary<Step>;

// ---- and does it

function perform(driver: ScriptedDriver, act: Step): void {
  const { vgpu, guest, memory, machine } = driver;
  const { highStart, lowStart } = vgpu.grant;
  const assemble = (list: readonly Command[]): number[] =>
    list.flatMap(({ words: dwords, own }) => dwords.map((word, i) => (i === own ? word + highStart : word)));
  switch (act.kind) {
    case 'access': {
      const offset = act.own ? lowStart + act.at : act.at;
      if (act.write) vgpu.write(act.space, offset, act.bytes, act.lo, act.hi);
      else vgpu.read(act.space, offset, act.bytes);
      return;
    }
    case 'ggtt':
      if (act.halves) driver.writeGgttHalves(highStart / 4096 + act.page, act.lo, act.hi);
      else driver.writeGgtt(highStart / 4096 + act.page, act.lo, act.hi);
      return;
    case 'memory':
      guest.page(act.gfn)[act.dword] = act.value;
      return;
    case 'context': {
      const { lrca } = guest.context(act.slot, assemble(act.commands));
      if (act.spoil) guest.page(0x101 + 0x20 * act.slot)[act.spoil[0]] = act.spoil[1];
      driver.writeElsp(act.engine, [lrca + (act.id === 9 ? DESCRIPTOR_FLAGS_32 : DESCRIPTOR_FLAGS), act.id]);
      return;
    }
    case 'batch':
      guest.page(act.gfn).set([...assemble(act.commands), BATCH_END]);
      return;
    case 'elsp': {
      const [lo0, hi0, lo1, hi1] = act.dwords as [number, number, number, number];
      driver.writeElsp(act.engine, [lo0 + highStart, hi0], [hi1 % 2 === 0 ? 0 : lo1 + highStart, hi1]);
      return;
    }
    case 'notify':
      driver.notifyPpgtt(act.code, ...act.pdps);
      return;
    case 'map':
      if (act.there) memory.map(act.gfn, act.count);
      else memory.unmap(act.gfn, act.count);
      vgpu.memoryChanged();
      return;
    case 'time':
      machine.run(act.ns);
      return;
    case 'interrupt':
      driver.handleInterrupt();
      return;
    case 'reset':
      revive(driver);
      return;
    case 'reattach':
      vgpu.detach();
      driver.bus.attach();
  }
}

/** All memory back, a device reset, and a driver that loads. */
function revive(driver: ScriptedDriver): void {
  driver.memory.map(0, FRAMES);
  driver.vgpu.reset();
  driver.bringUp();
}

/** The neighbour's work: one store by each engine, each its own value. */
function expectNeighbourWorks(neighbour: ScriptedDriver, value: number): void {
  const { guest, machine } = neighbour;
  const target = guest.bind(0x1100, 0x300);
  for (const id of SKL.engines) {
    neighbour.submit(id, id, [...storeDword(target + 4 * id, value + id, true), USER_INTERRUPT, 0]);
  }
  machine.run(6e6);
  expect([...guest.page(0x300).subarray(0, 4)]).toEqual([0, 1, 2, 3].map((i) => value + i));
  for (const id of SKL.engines) expect(neighbour.events(id).at(-1)?.status).toBe(0x18);
}

test('a storm of random traps ends nothing but the vGPU that makes it', () => {
  const rules = new Set<string>();
  let completed = 0;
  let failures = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 160, size: 'max' }), (steps) => {
      const machine = new Machine({ hangLimits: HANG_LIMITS });
      const neighbour = machine.boot();
      const driver = machine.boot();
      driver.guest.mapPpgtt(GIB, BATCH_FRAME);
      driver.guest.mapPpgtt(GIB + 4096, BATCH_FRAME + 1);
      for (let i = 0; i < BATCHES; i++) driver.guest.bind(i, BATCH_FRAME + i);
      expectNeighbourWorks(neighbour, 0x100);

      steps.forEach((act, i) => {
        if (driver.vgpu.state === 'failsafe' && i % 4 === 0) {
          failures++;
          revive(driver);
        }
        perform(driver, act);
        expect(driver.vgpu.shadowPages).toBeLessThan(MOST_SHADOW_PAGES);
      });

      expectNeighbourWorks(neighbour, 0x200);
      expect(machine.core.gpu.oracle.last).toEqual([]);
      for (const id of SKL.engines) {
        expect(neighbour.workloads[ENGINES[id]!.name]).toEqual({ complete: 2 });
        const { busy, idle, switching, total } = machine.core.arbiter.engineTotals(id);
        expect(busy + idle + switching).toBeCloseTo(total, 9);
      }
      expect(neighbour.vgpu.state).toBe('attached');
      expect(neighbour.vgpu.allRefusals()).toEqual({});
      for (const rule of Object.keys(driver.vgpu.allRefusals())) rules.add(rule);
      for (const byResult of Object.values(driver.workloads)) completed += byResult.complete ?? 0;

      // All of it can be taken away.
      machine.core.remove(driver.vgpu.id);
      expectNeighbourWorks(neighbour, 0x300);
    }),
    { numRuns: 60 },
  );
  // The storm gets somewhere: work is done, rules are broken, vGPUs are lost.
  expect(completed).toBeGreaterThan(20);
  expect(failures).toBeGreaterThan(10);
  expect(rules.size).toBeGreaterThan(8);
});
