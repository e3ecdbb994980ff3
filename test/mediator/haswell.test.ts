import { beforeEach, describe, expect, it } from 'vitest';
import {
  BCS,
  CCID,
  ENGINES,
  type EngineId,
  GDRST,
  GDRST_FULL,
  GEN7_MASTER_IER,
  GROUP,
  gen7Pde,
  gen7Pte,
  HWS_PGA_GEN7,
  INTERRUPT_GROUPS,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  MASTER_ENABLE,
  MODE_IDLE,
  PPGTT_ENABLE,
  PVINFO_BASE,
  platformByName,
  ppDirBase,
  RCS,
  RING,
  RING7,
  STOP_RING,
  VCS,
  VECS,
} from '../../src/hw/index.js';
import type { SparseMemory } from '../../src/hypervisor/sim/index.js';
import { MediatorCore, type Member } from '../../src/mediator/index.js';
import { guestRam } from '../support/scripted-guest.js';

const HSW = platformByName('HSW')!;
const MIB = 1024 * 1024;
const GTT_BIT = 1 << 22;
const SDI = 0x10000002;
const LRI = 0x11000001;
const BATCH_START = 0x18800000;
const PPGTT_BATCH = (1 << 8) | (1 << 13);
const BATCH_END = 0x05000000;
const SET_CONTEXT = 0x0c000000;
const ALL_BITS = 0xffffffff;

/** Frames of the guest's memory: status page and ring by engine, then data. */
const STATUS = 0x100;
const RINGS = 0x110;
const DATA = 0x120;
const CONTEXTS = 0x200;
const TABLES = 0x300;
/** Pages of the guest's high graphics memory. */
const DIRECTORY = 0x1000;

/** A Haswell driver, as small as can be, on a vGPU of its own. */
class Driver {
  readonly memory: SparseMemory;
  readonly member: Member;
  readonly first: number;
  messages = 0;
  readonly #tails: number[] = [0, 0, 0, 0];

  constructor(
    readonly core: MediatorCore,
    name: string,
  ) {
    this.member = core.create({ name, monitor: false, lowMiB: 32, highMiB: 64, fences: 4 });
    this.first = this.member.vgpu.grant.highStart / 4096;
    this.memory = guestRam(core.gpu.frameBase(this.member.id));
    this.member.vgpu.attach({
      memory: this.memory,
      injectMsi: () => {},
      setIntx: (level: boolean) => {
        if (level) this.messages++;
      },
      fail: () => {},
    } as unknown as Parameters<Member['vgpu']['attach']>[0]);
    this.read(PVINFO_BASE);
    for (const engine of HSW.engines) this.start(engine);
    for (const group of [GROUP.GT7, GROUP.PM7]) {
      const { base } = INTERRUPT_GROUPS[group]!;
      this.write(base + IRQ_IMR, 0);
      this.write(base + IRQ_IER, ALL_BITS);
    }
    this.write(GEN7_MASTER_IER, MASTER_ENABLE);
  }

  read(offset: number): number {
    return this.member.vgpu.read(0, offset, 4);
  }
  write(offset: number, value: number): void {
    this.member.vgpu.write(0, offset, 4, value >>> 0, 0);
  }
  /** An entry of the GGTT, by its page of the guest's high graphics memory. */
  entry(page: number, value: number): void {
    this.write(HSW.bar0Bytes / 2 + 4 * (this.first + page), value);
  }
  /** Maps a frame where its number says. @returns its GMADR */
  bind(gfn: number): number {
    this.entry(gfn, gen7Pte(gfn, 1));
    return (this.first + gfn) * 4096;
  }
  page(gfn: number): Uint32Array {
    const at = this.memory.locate(gfn);
    return this.memory.words.subarray(at, at + 1024);
  }

  start(engine: EngineId): void {
    const base = ENGINES[engine]!.mmioBase;
    this.write(HWS_PGA_GEN7[engine], this.bind(STATUS + engine));
    this.write(base + RING.START, this.bind(RINGS + engine));
    this.write(base + RING7.PP_DIR_BASE, ppDirBase(this.first + DIRECTORY));
    this.write(base + RING.MODE, (PPGTT_ENABLE << 16) | PPGTT_ENABLE);
    this.write(base + RING.HEAD, 0);
    this.write(base + RING.TAIL, 0);
    this.write(base + RING.CTL, 1);
  }

  /** The ring was reset: it begins anew. */
  forget(engine: EngineId): void {
    this.#tails[engine] = 0;
  }

  submit(engine: EngineId, ...commands: number[]): void {
    if (commands.length % 2 === 1) commands.push(0);
    let tail = this.#tails[engine]!;
    for (const dword of commands) {
      this.page(RINGS + engine)[tail / 4] = dword;
      tail = (tail + 4) % 4096;
    }
    this.#tails[engine] = tail;
    this.write(ENGINES[engine]!.mmioBase + RING.TAIL, tail);
  }

  /** Maps a page of its own address space, with one page table for each 4 MiB. */
  map(address: number, gfn: number, directory = DIRECTORY, table = TABLES): void {
    const index = Math.floor(address / 0x400000);
    this.entry(directory + index, gen7Pde(table + index));
    this.page(table + index)[Math.floor(address / 4096) % 1024] = gen7Pte(gfn, 1);
  }

  get state(): string {
    return this.member.vgpu.state;
  }
  head(engine: EngineId): number {
    return this.read(ENGINES[engine]!.mmioBase + RING.HEAD);
  }
}

let core: MediatorCore;
let driver: Driver;

function run(): void {
  // Long enough for an engine that is held for the other guest.
  for (let i = 0; i < 40; i++) {
    core.clock.set(core.clock.now() + 250_000);
    core.advance();
  }
}

beforeEach(() => {
  core = new MediatorCore({ platform: HSW, apertureBytes: 256 * MIB });
  driver = new Driver(core, 'one');
});

describe('a Haswell guest', () => {
  it.each([RCS, BCS, VCS, VECS] as const)('has what it puts in ring %i executed', (engine) => {
    const data = driver.bind(DATA);
    driver.submit(engine, SDI | GTT_BIT, 0, data, 0xcafe, 0x01000000);
    run();
    expect(driver.page(DATA)[0]).toBe(0xcafe);
    expect(driver.head(engine)).toBe(24);
    expect(driver.messages).toBeGreaterThan(0);
    const { base } = INTERRUPT_GROUPS[engine === VECS ? GROUP.PM7 : GROUP.GT7]!;
    expect(driver.read(base + IRQ_IIR)).not.toBe(0);
    expect(core.gpu.oracle.violations).toBe(0);
  });

  it('sees its ring busy until what it put there is done, and idle then', () => {
    const mode = ENGINES[BCS]!.mmioBase + RING.MI_MODE;
    const data = driver.bind(DATA);
    expect(driver.read(mode) & MODE_IDLE).toBe(MODE_IDLE);
    driver.submit(BCS, SDI | GTT_BIT, 0, data, 1);
    expect(driver.read(mode) & MODE_IDLE).toBe(0);
    run();
    expect(driver.read(mode) & MODE_IDLE).toBe(MODE_IDLE);
  });

  it('has a ring that it stopped executed no further until it lets it go on', () => {
    const mode = ENGINES[BCS]!.mmioBase + RING.MI_MODE;
    const data = driver.bind(DATA);
    driver.write(mode, (STOP_RING << 16) | STOP_RING);
    expect(driver.read(mode)).toBe(STOP_RING | MODE_IDLE);
    driver.submit(BCS, SDI | GTT_BIT, 0, data, 1);
    run();
    expect([driver.page(DATA)[0], driver.head(BCS)]).toEqual([0, 0]);
    // Idle is not the driver's to say.
    driver.write(mode, ((STOP_RING | MODE_IDLE) << 16) >>> 0);
    run();
    expect([driver.page(DATA)[0], driver.head(BCS)]).toEqual([1, 16]);
    expect(driver.read(mode)).toBe(MODE_IDLE);
  });

  it('goes on in a ring over its end', () => {
    const data = driver.bind(DATA);
    for (let i = 0; i < 300; i++) {
      driver.submit(BCS, SDI | GTT_BIT, 0, data, i);
      if (i % 50 === 0) run();
    }
    run();
    expect(driver.page(DATA)[0]).toBe(299);
    expect(driver.state).toBe('attached');
  });

  it('finds what it writes by index in its own status page', () => {
    driver.submit(VCS, 0x10800001, 0x40 * 4, 0x1234, 0x13000001 | (1 << 14) | (1 << 21), (0x42 * 4) | 4, 0x5678);
    run();
    expect(driver.page(STATUS + VCS)[0x40]).toBe(0x1234);
    expect(driver.page(STATUS + VCS)[0x42]).toBe(0x5678);
  });

  it('runs batches of a process from its own address space', () => {
    driver.map(0x401000, DATA);
    driver.map(0x402000, DATA + 1);
    driver.page(DATA + 1).set([SDI, 0, 0x401008, 0xbeef, BATCH_END]);
    driver.submit(RCS, BATCH_START | PPGTT_BATCH, 0x402000);
    run();
    expect(driver.page(DATA)[2]).toBe(0xbeef);
    expect(core.gpu.oracle.violations).toBe(0);
  });

  it('changes address spaces in the middle of a ring', () => {
    driver.map(0x401000, DATA);
    driver.map(0x401000, DATA + 1, DIRECTORY + 0x400, TABLES + 0x10);
    const base = ENGINES[RCS]!.mmioBase + RING7.PP_DIR_BASE;
    const other = ppDirBase(driver.first + DIRECTORY + 0x400);
    driver.submit(RCS, SDI, 0, 0x401000, 1, LRI, base, other, 0, SDI, 0, 0x401000, 2);
    run();
    expect(driver.page(DATA)[0]).toBe(1);
    expect(driver.page(DATA + 1)[0]).toBe(2);
    expect(driver.read(base)).toBe(other);
    driver.submit(RCS, SDI, 0, 0x401004, 3);
    run();
    expect(driver.page(DATA + 1)[1]).toBe(3);
  });

  it('sees the page table that it has changed since', () => {
    driver.map(0x401000, DATA);
    driver.submit(BCS, SDI, 0, 0x401000, 1);
    run();
    driver.map(0x401000, DATA + 1);
    driver.submit(BCS, SDI, 0, 0x401000, 2);
    run();
    expect([driver.page(DATA)[0], driver.page(DATA + 1)[0]]).toEqual([1, 2]);
  });

  it('keeps the registers of its render contexts in their images', () => {
    for (let i = 0; i < 40; i++) driver.bind(CONTEXTS + i);
    const [a, b] = [CONTEXTS, CONTEXTS + 20].map((gfn) => (driver.first + gfn) * 4096);
    const data = driver.bind(DATA);
    const store = (register: number, at: number) => [0x12000001 | GTT_BIT, register, data + at, 0];
    driver.submit(RCS, SET_CONTEXT, a! | 0x101, LRI, 0x2420, 11, 0);
    run();
    driver.submit(RCS, SET_CONTEXT, b! | 0x101, LRI, 0x2420, 22, 0);
    run();
    driver.submit(RCS, ...store(0x2420, 4), SET_CONTEXT, a! | 0x100, ...store(0x2420, 0));
    run();
    expect(driver.page(DATA).slice(0, 2)).toEqual(new Uint32Array([11, 22]));
    expect(driver.read(CCID)).toBe(a);
    expect(core.gpu.oracle.violations).toBe(0);
  });

  it.each([
    ['stores outside of its own ranges', [SDI | GTT_BIT, 0, 0x1000, 1]],
    ["switches to another's context", [SET_CONTEXT, 0x1101]],
    ['loads another ring register', [LRI, 0x2030, 8]],
  ])('loses its vGPU when its ring %s', (_what, commands) => {
    driver.submit(RCS, ...commands);
    run();
    expect(driver.state).toBe('failsafe');
    expect(core.gpu.oracle.violations).toBe(0);
  });

  it('keeps its vGPU when one of its processes does what it may not', () => {
    driver.map(0x402000, DATA + 1);
    driver.page(DATA + 1).set([LRI, 0x2030, 8, BATCH_END]);
    driver.submit(RCS, BATCH_START | PPGTT_BATCH, 0x402000);
    run();
    expect(driver.state).toBe('attached');
    expect(core.arbiter.results(driver.member.id)).toMatchObject({ RCS: { dropped: 1 } });
  });

  it('reaches no memory but its own by a page table that names what is not its', () => {
    driver.entry(DIRECTORY, gen7Pde(TABLES));
    driver.page(TABLES)[1] = gen7Pte(0x7ff_ffff, 1);
    driver.submit(BCS, SDI, 0, 0x1000, 7);
    run();
    expect(driver.state).toBe('attached');
    expect(core.gpu.oracle.violations).toBe(0);
  });
});

describe('two Haswell guests', () => {
  it('begin with what a reset leaves in the render engine, not with what the other has in it', () => {
    const other = new Driver(core, 'two');
    const first = driver.bind(DATA);
    const second = other.bind(DATA);
    const store = (data: number) => [0x12000001 | GTT_BIT, 0x2420, data, 0];
    driver.page(DATA)[0] = ALL_BITS;
    driver.submit(RCS, ...store(first), LRI, 0x2420, 0x5ec7e7, 0, ...store(first + 4));
    run();
    expect([...driver.page(DATA).slice(0, 2)]).toEqual([0, 0x5ec7e7]);
    other.page(DATA)[0] = ALL_BITS;
    other.submit(RCS, ...store(second));
    run();
    expect(other.page(DATA)[0]).toBe(0);
    driver.submit(RCS, ...store(first + 8));
    run();
    expect(driver.page(DATA)[2]).toBe(0x5ec7e7);
    expect(core.gpu.oracle.violations).toBe(0);
  });

  it('have that again when they reset their engines', () => {
    for (let i = 0; i < 20; i++) driver.bind(CONTEXTS + i);
    const data = driver.bind(DATA);
    const context = (driver.first + CONTEXTS) * 4096;
    driver.submit(RCS, SET_CONTEXT, context | 0x101, LRI, 0x2420, 77, 0);
    run();
    expect(driver.read(CCID)).toBe(context);
    driver.write(GDRST, GDRST_FULL);
    expect(driver.read(CCID)).toBe(0);
    driver.page(DATA)[0] = ALL_BITS;
    driver.start(RCS);
    driver.forget(RCS);
    driver.submit(RCS, 0x12000001 | GTT_BIT, 0x2420, data);
    run();
    expect(driver.page(DATA)[0]).toBe(0);
    expect(driver.state).toBe('attached');
  });

  it('have the engines in turn, and never what the other one left', () => {
    const other = new Driver(core, 'two');
    const guests = [driver, other];
    for (const guest of guests) guest.bind(DATA);
    for (let round = 1; round <= 10; round++) {
      for (const guest of guests) {
        const data = (guest.first + DATA) * 4096;
        guest.submit(RCS, LRI, 0x2420, round * 100 + guest.member.id, 0);
        guest.submit(BCS, SDI | GTT_BIT, 0, data + 8, round);
      }
      run();
      for (const guest of guests) {
        guest.submit(RCS, 0x12000001 | GTT_BIT, 0x2420, (guest.first + DATA) * 4096);
      }
      run();
      for (const guest of guests) {
        expect(guest.page(DATA)[0]).toBe(round * 100 + guest.member.id);
        expect(guest.page(DATA)[2]).toBe(round);
      }
    }
    expect(core.gpu.oracle.violations).toBe(0);
  });
});
