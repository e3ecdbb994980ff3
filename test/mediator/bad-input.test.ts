/**
 * Everything that a guest can get wrong, as a table: what it does, and the rule under which it is refused or the reason for
 * which it loses its vGPU. Whatever it is, the mediator goes on, and the neighbour's work comes out right.
 */
import { describe, expect, test } from 'vitest';
import { BCS, ENGINES, G2V, PVINFO, PVINFO_BASE, RCS, RING, VCS, VECS } from '../../src/hw/index.js';
import { SPACE, type Space } from '../../src/hypervisor/index.js';
import { DESCRIPTOR_FLAGS, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword } from '../support/scripted-guest.js';

const ALL_ENGINES = [
  ['RCS', RCS],
  ['BCS', BCS],
  ['VCS', VCS],
  ['VECS', VECS],
] as const;
const GIB = 2 ** 30;
const DATA = 0x201;
const GGTT = 0x800000;
/** A frame that no guest here has. */
const NO_FRAME = 0x7_ffff;
const PRESENT_RW = 3;
/** Indices into the register state of a context. */
const STATE = { HEAD: 5, TAIL: 7, START: 9, CTL: 0xb, PER_CTX: 0x19, INDIRECT: 0x1b, PDP0_UDW: 0x31, PDP0_LDW: 0x33 };
const STATE_FRAME = 0x101;
const RING_FRAME = 0x11e;

interface BadInput {
  readonly name: string;
  /** The driver has not looked at PVINFO when it does this. */
  readonly fresh?: boolean;
  act(driver: ScriptedDriver, neighbour: ScriptedDriver): void;
  /** Rule that counts it, and how often; the vGPU stays. */
  readonly refused?: string;
  readonly times?: number;
  /** What the reason of the failsafe says. */
  readonly failsafe?: RegExp;
}

/** An access of some space, read and then written. */
function access(space: Space, offset: number, bytes: number): BadInput['act'] {
  return (driver) => {
    driver.read(offset, bytes, space);
    driver.write(offset, 0x5a5a5a5a, bytes, space, 0x5a5a5a5a);
  };
}

function register(offset: number, value: number): BadInput['act'] {
  return (driver) => driver.write(offset, value);
}

/** A context whose register state the guest spoils before it submits it. */
function context(
  spoil: (state: Uint32Array, driver: ScriptedDriver, neighbour: ScriptedDriver) => void,
): BadInput['act'] {
  return (driver, neighbour) => {
    const { lrca } = driver.guest.context(0, [0, 0]);
    spoil(driver.guest.page(STATE_FRAME), driver, neighbour);
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
  };
}

function commands(...dwords: number[]): BadInput['act'] {
  return (driver) => driver.submit(RCS, 0, dwords);
}

/** Page tables that map one page, spoiled, and a context that uses them. */
function tables(spoil: (driver: ScriptedDriver, walk: readonly number[]) => void): BadInput['act'] {
  return (driver) => {
    const { guest } = driver;
    guest.mapPpgtt(GIB, DATA);
    const walk = [guest.pml4];
    for (const index of [0, 1, 0]) walk.push(guest.page(walk.at(-1)!)[2 * index]! >>> 12);
    spoil(driver, walk);
    driver.submit(RCS, 0, [0, 0]);
  };
}

function rcs(offset: number): number {
  return ENGINES[RCS]!.mmioBase + offset;
}

const ACCESSES: readonly BadInput[] = [
  ...[0, 3, 5, 6, 7, 16].map(
    (bytes): BadInput => ({
      name: `a register access of ${bytes} bytes`,
      act: access(SPACE.BAR0, 0x2358, bytes),
      refused: 'mmio-width',
      times: 2,
    }),
  ),
  ...(
    [
      [2, 1],
      [2, 3],
      [4, 1],
      [4, 2],
      [4, 3],
      [8, 1],
      [8, 2],
      [8, 3],
    ] as const
  ).map(
    ([bytes, off]): BadInput => ({
      name: `a register access of ${bytes} bytes, ${off} beyond alignment`,
      act: access(SPACE.BAR0, 0x2000 + off, bytes),
      refused: 'mmio-misaligned',
      times: 2,
    }),
  ),
  {
    name: 'a register access over the end of the window',
    act: access(SPACE.BAR0, 0x1ffffc, 8),
    refused: 'mmio-outside',
    times: 2,
  },
  {
    name: 'an access between registers and table',
    act: access(SPACE.BAR0, 0x200000, 4),
    refused: 'bar0-hole',
    times: 2,
  },
  { name: 'an access right before the table', act: access(SPACE.BAR0, GGTT - 4, 8), refused: 'bar0-hole', times: 2 },
  ...[0, 1, 2, 3, 5, 6, 7, 16].map(
    (bytes): BadInput => ({
      name: `a table access of ${bytes} bytes`,
      act: access(SPACE.BAR0, GGTT, bytes),
      refused: 'ggtt-access',
      times: 2,
    }),
  ),
  ...(
    [
      [4, 1],
      [4, 2],
      [4, 3],
      [8, 1],
      [8, 4],
      [8, 7],
    ] as const
  ).map(
    ([bytes, off]): BadInput => ({
      name: `a table access of ${bytes} bytes, ${off} beyond alignment`,
      act: access(SPACE.BAR0, GGTT + off, bytes),
      refused: 'ggtt-access',
      times: 2,
    }),
  ),
  ...[0, 3, 5, 6, 7, 16].map(
    (bytes): BadInput => ({
      name: `an aperture access of ${bytes} bytes`,
      act: (driver) => access(SPACE.BAR2, driver.vgpu.grant.lowStart + 0x690, bytes)(driver, driver),
      refused: 'aperture-access',
      times: 2,
    }),
  ),
  ...(
    [
      [2, 1],
      [4, 1],
      [4, 2],
      [8, 1],
      [8, 4],
    ] as const
  ).map(
    ([bytes, off]): BadInput => ({
      name: `an aperture access of ${bytes} bytes, ${off} beyond alignment`,
      act: (driver) => access(SPACE.BAR2, driver.vgpu.grant.lowStart + off, bytes)(driver, driver),
      refused: 'aperture-access',
      times: 2,
    }),
  ),
  {
    name: 'an aperture access in the neighbour’s part',
    act: (driver, neighbour) => access(SPACE.BAR2, neighbour.vgpu.grant.lowStart, 4)(driver, driver),
    refused: 'aperture-range',
    times: 2,
  },
  {
    name: 'an aperture access over the end of its part',
    act: ({ vgpu }) => void vgpu.read(SPACE.BAR2, vgpu.grant.lowStart + vgpu.grant.lowBytes, 4),
    refused: 'aperture-range',
  },
  ...[0, 3, 5, 6, 7, 16].map(
    (bytes): BadInput => ({
      name: `a configuration access of ${bytes} bytes`,
      act: access(SPACE.CONFIG, 0x40, bytes),
      refused: 'config-access',
      times: 2,
    }),
  ),
  ...(
    [
      [2, 1],
      [4, 2],
      [8, 4],
    ] as const
  ).map(
    ([bytes, off]): BadInput => ({
      name: `a configuration access of ${bytes} bytes, ${off} beyond alignment`,
      act: access(SPACE.CONFIG, 0x40 + off, bytes),
      refused: 'config-access',
      times: 2,
    }),
  ),
  {
    name: 'a configuration access beyond 256 bytes',
    act: access(SPACE.CONFIG, 256, 4),
    refused: 'config-access',
    times: 2,
  },
];

const REGISTERS: readonly BadInput[] = [
  {
    name: 'a write to a read-only register',
    act: register(rcs(RING.EXECLIST_STATUS_LO), 0),
    refused: 'mmio-read-only',
  },
  {
    name: 'a fence that is not its own, read',
    act: (driver) => void driver.read(0x100000 + 4 * 8),
    refused: 'fence-range',
  },
  { name: 'a fence that is not its own, written', act: register(0x100000 + 31 * 8, 1), refused: 'fence-range' },
  {
    name: 'a fence over the neighbour’s part of the aperture',
    act: (driver, { vgpu }) => {
      driver.write(0x100004, vgpu.grant.lowStart + 0x1f);
      driver.write(0x100000, vgpu.grant.lowStart + 1);
    },
    refused: 'fence-address',
  },
  {
    name: 'a fence that ends before it starts',
    act: (driver) => {
      driver.write(0x100004, driver.vgpu.grant.lowStart);
      driver.write(0x100000, driver.vgpu.grant.lowStart + 0x10001);
    },
    refused: 'fence-address',
  },
  {
    name: 'a status page in the neighbour’s graphics memory',
    act: (driver, { vgpu }) => driver.write(rcs(RING.HWS_PGA), vgpu.grant.highStart),
    refused: 'hws-pga-range',
  },
  {
    name: 'a status page that is not at a page’s start',
    act: (driver) => driver.write(rcs(RING.HWS_PGA), driver.vgpu.grant.highStart + 0x40),
    refused: 'hws-pga-range',
  },
  {
    name: 'a register opened to commands that may not be',
    act: register(rcs(RING.FORCE_TO_NONPRIV), 0x2080),
    refused: 'force-nonpriv',
  },
  { name: '64 KiB pages on some engines only', act: register(0x4080, 1), refused: 'gamw-partial-64k' },
  { name: 'translation tables in physical memory', act: register(0x4df4, 1), refused: 'trtt-physical' },
  { name: 'a firmware load', act: register(0xc314, 0xffff0001), refused: 'guc-firmware' },
  {
    name: 'RING_MODE with its privileged bit',
    act: register(rcs(RING.MODE), 0x10001),
    failsafe: /RING_MODE 0x229c: bits 0x1,/,
  },
  { name: 'another way of preemption', act: register(rcs(0xd4), 0x00080008), failsafe: /preempt/ },
  {
    name: 'execlists switched on without a look at PVINFO',
    fresh: true,
    act: register(rcs(RING.MODE), 0x80008000),
    failsafe: /never looked at PVINFO/,
  },
  {
    name: 'PPGTT switched on without a look at PVINFO',
    fresh: true,
    act: register(rcs(RING.MODE), 0x02000200),
    failsafe: /never looked at PVINFO/,
  },
  {
    name: 'another’s fence used without a look at PVINFO',
    fresh: true,
    act: register(0x100000 + 4 * 8, 1),
    failsafe: /fence.*never looked at PVINFO/,
  },
];

const PVINFO_PAGE: readonly BadInput[] = [
  {
    name: 'a write to what PVINFO tells',
    act: register(PVINFO_BASE + PVINFO.FENCE_NUM, 32),
    refused: 'pvinfo-read-only',
  },
  { name: 'a write beyond what PVINFO takes', act: register(PVINFO_BASE + 0x860, 1), refused: 'pvinfo-read-only' },
  ...[0x808, 0x80c, 0x810, 0x814].map(
    (offset): BadInput => ({
      name: `a write to PVINFO 0x${offset.toString(16)}, by which a driver gives up`,
      act: register(PVINFO_BASE + offset, 0),
      failsafe: /PVINFO: write to reserved/,
    }),
  ),
  ...[0, 1, 8, 0xffffffff].map(
    (code): BadInput => ({
      name: `notification ${code}`,
      act: register(PVINFO_BASE + PVINFO.G2V_NOTIFY, code),
      refused: 'pvinfo-g2v-code',
    }),
  ),
  {
    name: 'an address space created outside of memory',
    act: (driver) => driver.notifyPpgtt(G2V.PPGTT_L4_CREATE, NO_FRAME * 4096),
    failsafe: /PDP0 0x7ffff000 is not in guest RAM/,
  },
  {
    name: 'an address space created above all addresses',
    act: (driver) => driver.notifyPpgtt(G2V.PPGTT_L4_CREATE, 2 ** 64 - 4096),
    failsafe: /is not in guest RAM/,
  },
  {
    name: 'an address space of three levels with one root outside of memory',
    act: (driver) => driver.notifyPpgtt(G2V.PPGTT_L3_CREATE, 0x1000, 0, NO_FRAME * 4096, 0),
    failsafe: /PDP2 0x7ffff000 is not in guest RAM/,
  },
  {
    name: 'an unknown address space given up',
    act: (driver) => driver.notifyPpgtt(G2V.PPGTT_L4_DESTROY, 0x5000),
    refused: 'ppgtt-unknown-root',
  },
];

const ENTRIES: readonly BadInput[] = [
  {
    name: 'a table entry of the neighbour',
    act: (driver, neighbour) => driver.writeGgtt(neighbour.guest.ggttBase, 0x201001),
    refused: 'ggtt-outside',
  },
  { name: 'the table’s first entry', act: (driver) => driver.writeGgtt(0, 0x201001), refused: 'ggtt-outside' },
  {
    name: 'a table entry that names no memory',
    act: (driver) => driver.writeGgtt(driver.guest.ggttBase, NO_FRAME * 4096 + 1),
    refused: 'ggtt-no-memory',
  },
  {
    name: 'a table entry in halves that names no memory',
    act: (driver) => driver.writeGgttHalves(driver.guest.ggttBase, 1, 0x3f),
    refused: 'ggtt-no-memory',
  },
  {
    name: 'a page-table entry that names no memory',
    act: tables((driver, [, , , pt]) => driver.guest.page(pt!).fill(NO_FRAME * 4096 + 1, 0, 1)),
    refused: 'ppgtt-no-memory',
  },
  {
    name: 'a page-directory entry that names no memory',
    act: tables((driver, [, , pd]) => driver.guest.page(pd!).fill(NO_FRAME * 4096 + 1, 2, 3)),
    refused: 'ppgtt-no-memory',
  },
  {
    name: 'a 2 MiB entry of which half is no memory',
    act: tables((driver, [, , pd]) => {
      driver.memory.unmap(0xf00, 0x100);
      driver.guest.page(pd!).fill(0xe00000 + 0x83, 0, 1);
    }),
    refused: 'ppgtt-no-memory',
    times: 0x100,
  },
  {
    name: 'a 1 GiB entry',
    act: tables((driver, [, pdp]) => driver.guest.page(pdp!).fill(0x83, 4, 5)),
    failsafe: /maps 1 GiB/,
  },
  {
    name: 'a page table that is its own root',
    act: tables((driver, [pml4, , pd]) => driver.guest.page(pd!).fill(pml4! * 4096 + PRESENT_RW, 0, 1)),
    failsafe: /loop/,
  },
  {
    name: 'a page used at two levels',
    act: tables((driver, [, pdp, pd]) => driver.guest.page(pdp!).fill(driver.guest.page(pd!)[0]!, 0, 1)),
    failsafe: /used both as/,
  },
];

const SUBMISSIONS: readonly BadInput[] = [
  { name: 'an invalid first element', act: (driver) => driver.writeElsp(RCS, [0x1000, 1]), refused: 'elsp-element0' },
  {
    name: 'an element without privilege',
    act: (driver) => driver.writeElsp(RCS, [DESCRIPTOR_FLAGS & ~0x100, 1]),
    refused: 'elsp-element0',
  },
  ...[0, 2].map(
    (mode): BadInput => ({
      name: `an element of addressing mode ${mode}`,
      act: (driver) => driver.writeElsp(VECS, [(DESCRIPTOR_FLAGS & ~0x18) | (mode << 3), 1]),
      refused: 'elsp-element0',
    }),
  ),
  {
    name: 'a second element without privilege',
    act: (driver) => driver.writeElsp(BCS, [DESCRIPTOR_FLAGS, 1], [DESCRIPTOR_FLAGS & ~0x100, 2]),
    refused: 'elsp-element1',
  },
  {
    name: 'a submission while two wait',
    act: (driver) => {
      for (const slot of [0, 1, 2]) driver.submit(RCS, slot, [0, 0]);
    },
    refused: 'elsp-queue-full',
  },
  {
    name: 'a context nowhere in graphics memory',
    act: (driver) => driver.writeElsp(RCS, [0xfffff000 + DESCRIPTOR_FLAGS, 1]),
    failsafe: /RCS context at GMADR 0xfffff000: the register-state page is not mapped/,
  },
  {
    name: 'a context in the neighbour’s graphics memory',
    act: (driver, neighbour) => {
      const { lrca } = neighbour.guest.context(1, [0, 0]);
      driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
    },
    failsafe: /register-state page is not mapped/,
  },
  {
    name: 'a context of which one page is missing',
    act: context((_state, driver) => driver.writeGgtt(driver.guest.ggttBase + 5, 0)),
    failsafe: /context image: GMADR .* is not mapped/,
  },
  {
    name: 'a ring that is not page aligned',
    act: context((state) => (state[STATE.START]! += 0x40)),
    failsafe: /not page aligned/,
  },
  {
    name: 'a ring that is switched off',
    act: context((state) => (state[STATE.CTL] = 0)),
    failsafe: /ring is not enabled/,
  },
  {
    name: 'a ring tail beyond the ring',
    act: context((state) => (state[STATE.TAIL] = 0x1008)),
    failsafe: /not a range of a ring of 4096/,
  },
  {
    name: 'a ring head beyond the ring',
    act: context((state) => (state[STATE.HEAD] = 0x2000)),
    failsafe: /not a range of a ring of 4096/,
  },
  {
    name: 'a ring head between commands',
    act: context((state) => (state[STATE.HEAD] = 4)),
    failsafe: /not a range of a ring/,
  },
  {
    name: 'a ring that is nowhere',
    act: context((state) => (state[STATE.START] = 0xfffff000)),
    failsafe: /ring: GMADR 0xfffff000 is not mapped/,
  },
  {
    name: 'a ring in the neighbour’s graphics memory',
    act: context((state, _driver, { vgpu }) => (state[STATE.START] = vgpu.grant.highStart)),
    failsafe: /ring: GMADR .* is not mapped/,
  },
  {
    name: 'a ring longer than what is mapped',
    act: context((state) => {
      state[STATE.CTL] = 0x1ff001;
      state[STATE.TAIL] = 0x1ffff8;
    }),
    failsafe: /ring: GMADR .* is not mapped/,
  },
  {
    name: 'a root pointer outside of memory',
    act: context((state) => (state[STATE.PDP0_LDW] = NO_FRAME * 4096)),
    failsafe: /PDP0 0x7ffff000 is not in guest RAM/,
  },
  {
    name: 'a root pointer above all memory',
    act: context((state) => (state[STATE.PDP0_UDW] = 0xffffffff)),
    failsafe: /PDP0 .* is not in guest RAM/,
  },
  {
    name: 'a per-context batch that is nowhere',
    act: context((state) => (state[STATE.PER_CTX] = 0xfffff001)),
    failsafe: /workaround batch: GMADR 0xfffff000 is not mapped/,
  },
  {
    name: 'an indirect context over the end of all addresses',
    act: context((state) => (state[STATE.INDIRECT] = 0xffffffc0 + 0x3f)),
    failsafe: /workaround batch: GMADR .* is not mapped/,
  },
];

const COMMANDS: readonly BadInput[] = [
  { name: 'an unknown command', act: commands(0x7fff0000, 0), failsafe: /RCS/ },
  { name: 'a command that is longer than the ring’s contents', act: commands(0x10000ff2, 0), failsafe: /./ },
  {
    name: 'a store into the neighbour’s graphics memory',
    act: (driver, { vgpu }) => driver.submit(RCS, 0, storeDword(vgpu.grant.highStart, 1, true)),
    failsafe: /MI_STORE_DATA_IMM/,
  },
  {
    name: 'a register that commands may not reach',
    act: commands(0x11000001, 0x2080, 0, 0),
    failsafe: /MI_LOAD_REGISTER_IMM/,
  },
  {
    name: 'a privileged batch that is nowhere',
    act: commands((0x18800001 & ~0x100) >>> 0, 0xfffff000, 0, 0),
    failsafe: /MI_BATCH_BUFFER_START/,
  },
  {
    name: 'a privileged batch that starts itself',
    act: (driver) => {
      const batch = driver.guest.bind(0x1200, DATA);
      driver.guest.page(DATA).set([0x18800001, batch, 0, BATCH_END]);
      driver.submit(RCS, 0, [0x18800001, batch, 0, 0]);
    },
    failsafe: /jumps back/,
  },
  {
    name: 'a forbidden workaround batch',
    act: context((state, driver) => {
      state[STATE.PER_CTX] = driver.guest.bind(0x1200, DATA) + 1;
      driver.guest.page(DATA).set([0x11000001, 0x2080, 0, BATCH_END]);
    }),
    failsafe: /MI_LOAD_REGISTER_IMM/,
  },
];

const GROUPS: readonly (readonly [string, readonly BadInput[]])[] = [
  ['accesses', ACCESSES],
  ['registers', REGISTERS],
  ['PVINFO', PVINFO_PAGE],
  ['table entries', ENTRIES],
  ['submissions', SUBMISSIONS],
  ['commands', COMMANDS],
];

describe.each(GROUPS)('%s', (_group, rows) => {
  test.each(rows.map((row) => [row.name, row] as const))('%s', (_name, row) => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = row.fresh ? machine.attach() : machine.boot();
    const target = neighbour.guest.bind(0x1100, DATA);
    neighbour.submit(RCS, 0, storeDword(target, 1, true));
    row.act(driver, neighbour);
    machine.run();

    if (row.failsafe) {
      expect(driver.vgpu.state).toBe('failsafe');
      expect(driver.vgpu.reason).toMatch(row.failsafe);
      expect(driver.failed).toBe(driver.vgpu.reason);
    } else {
      expect(driver.vgpu.reason).toBeNull();
      expect(driver.vgpu.allRefusals()).toEqual({ [row.refused!]: row.times ?? 1 });
    }

    neighbour.submit(BCS, 1, storeDword(target + 4, 2, true));
    machine.run();
    expect([...neighbour.guest.page(DATA).subarray(0, 2)]).toEqual([1, 2]);
    expect(neighbour.workloads).toEqual({ RCS: { complete: 1 }, BCS: { complete: 1 } });
    expect(neighbour.vgpu.allRefusals()).toEqual({});
    expect(neighbour.vgpu.state).toBe('attached');
    expect(machine.violations).toBe(0);
    for (const engine of machine.core.platform.engines) {
      const { busy, idle, switching, total } = machine.core.arbiter.engineTotals(engine);
      expect(busy + idle + switching).toBeCloseTo(total, 12);
    }

    // Reset gives the vGPU back, whatever it was, to a driver that now does all as it should.
    driver.vgpu.reset();
    expect(driver.vgpu.state).toBe('attached');
    driver.guest.page(driver.guest.pml4).fill(0);
    driver.bringUp();
    driver.submit(RCS, 2, storeDword(driver.guest.bind(0x1300, DATA), 3, true));
    machine.run();
    expect(driver.guest.page(DATA)[0]).toBe(3);
    expect(machine.violations).toBe(0);
  });
});

test.each(ALL_ENGINES)(
  'a context on %s that claims to be within a batch of another address starts at its ring',
  (_name, engine) => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = machine.boot();
    const theirs = neighbour.guest.bind(0x1100, DATA);
    const batch = neighbour.guest.bind(0x1200, 0x202);
    neighbour.guest.page(0x202).set([...storeDword(theirs, 0xbad, true), BATCH_END]);
    const { lrca } = driver.guest.context(0, storeDword(driver.guest.bind(0x1100, DATA), 7, true));
    const state = driver.guest.page(STATE_FRAME);
    // Both levels of batch: valid, in the global table.
    for (const at of [0x0f, 0x15]) state[at] = batch + 1;
    // Where the other engines have no registers, loads of the same ones again.
    if (engine !== RCS) {
      const base = ENGINES[engine]!.mmioBase;
      state.set([0x11001003, base + RING.BBADDR, batch + 1, base + RING.BBSTATE, 0], 0x18);
    }
    driver.writeElsp(engine, [lrca + DESCRIPTOR_FLAGS, 1]);
    machine.run();
    expect(driver.guest.page(DATA)[0]).toBe(7);
    expect(neighbour.guest.page(DATA)[0]).toBe(0);
    expect(driver.events(engine).at(-1)).toEqual({ status: 0x18, id: 1 });
    expect(machine.violations).toBe(0);
  },
);

/** Rings whose contents lie at the frame that contexts of slot 0 have, for the reader of the table. */
test('the table’s contexts are the ones that the scripted guest builds', () => {
  const driver = new Machine().boot();
  driver.guest.context(0, startBatch(GIB));
  expect(driver.guest.page(RING_FRAME)[0]).toBe(0x18800101);
  expect(driver.guest.page(STATE_FRAME)[STATE.CTL]).toBe(1);
});
