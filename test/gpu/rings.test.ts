import { beforeEach, describe, expect, it } from 'vitest';
import { type DmaPages, ModelGpu } from '../../src/gpu/index.js';
import {
  BCS,
  CCID,
  ENGINES,
  type EngineId,
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
  PPGTT_ENABLE,
  platformByName,
  ppDirBase,
  RCS,
  RING,
  RING7,
  SET_CONTEXT,
  VCS,
  VECS,
} from '../../src/hw/index.js';

const HSW = platformByName('HSW')!;
const OWNER = 3;
const RING_GMADR = 0x10000;
const STATUS_GMADR = 0x20000;
const DATA_GMADR = 0x30000;
const SECOND_GMADR = 0x31000;
const GTT_BIT = 1 << 22;
const LRI = 0x11000001;
const SDI = 0x10000002;
const USER_INTERRUPT = 0x01000000;

/** A driver of one ring, as small as can be. */
class RingDriver {
  readonly gpu = new ModelGpu({ platform: HSW });
  readonly base: number;
  readonly ring: DmaPages;
  readonly data: DmaPages;
  tail = 0;
  #now = 0;
  interrupts = 0;

  constructor(readonly engine: EngineId) {
    this.base = ENGINES[engine]!.mmioBase;
    this.ring = this.map(RING_GMADR, 1);
    const status = this.map(STATUS_GMADR, 1);
    this.data = this.map(DATA_GMADR, 2);
    this.status = status;
    this.gpu.write32(HWS_PGA_GEN7[engine], STATUS_GMADR);
    this.gpu.write32(this.base + RING.START, RING_GMADR);
    this.gpu.write32(this.base + RING.CTL, 1);
    this.gpu.onInterrupt = () => this.interrupts++;
  }
  readonly status: DmaPages;

  map(gmadr: number, pages: number): DmaPages {
    const memory = this.gpu.allocate(pages, OWNER);
    for (let i = 0; i < pages; i++) this.gpu.writeGgtt(gmadr / 4096 + i, gen7Pte(memory.mfn + i, 1), 0);
    return memory;
  }

  /** Appends commands and moves the tail behind them. */
  submit(...commands: number[]): void {
    if (commands.length % 2 === 1) commands.push(0);
    for (const dword of commands) {
      this.ring.words[this.ring.at + this.tail / 4] = dword;
      this.tail = (this.tail + 4) % 4096;
    }
    this.gpu.write32(this.base + RING.TAIL, this.tail);
    this.run();
  }

  run(): void {
    this.#now += 1_000_000;
    while (this.gpu.advance(this.#now));
  }

  word(index: number): number {
    return this.data.words[this.data.at + index]!;
  }
  get head(): number {
    return this.gpu.read32(this.base + RING.HEAD);
  }
}

describe('a Haswell ring', () => {
  let driver: RingDriver;
  beforeEach(() => {
    driver = new RingDriver(RCS);
  });

  it.each([RCS, BCS, VCS, VECS] as const)('of engine %i executes up to its tail', (engine) => {
    const other = new RingDriver(engine);
    other.submit(SDI | GTT_BIT, 0, DATA_GMADR + 8, 0xcafe);
    expect(other.word(2)).toBe(0xcafe);
    expect(other.head).toBe(other.tail);
    expect(other.gpu.oracle.violations).toBe(0);
  });

  it('goes on where it was when the tail moves again, over its end', () => {
    for (let i = 0; i < 300; i++) driver.submit(SDI | GTT_BIT, 0, DATA_GMADR, i);
    expect(driver.word(0)).toBe(299);
    expect(driver.head).toBe(driver.tail);
  });

  it('does nothing while it is off or stopped, and what waits when it goes on', () => {
    driver.gpu.write32(driver.base + RING.CTL, 0);
    driver.submit(SDI | GTT_BIT, 0, DATA_GMADR, 1);
    expect(driver.word(0)).toBe(0);
    driver.gpu.write32(driver.base + RING.CTL, 1);
    driver.gpu.write32(driver.base + RING.MI_MODE, 0x01000100);
    driver.run();
    expect(driver.word(0)).toBe(0);
    driver.gpu.write32(driver.base + RING.MI_MODE, 0x01000000);
    driver.run();
    expect(driver.word(0)).toBe(1);
  });

  it('begins anew where a driver puts its head', () => {
    driver.submit(SDI | GTT_BIT, 0, DATA_GMADR, 7);
    driver.gpu.write32(driver.base + RING.HEAD, 0);
    driver.gpu.write32(driver.base + RING.TAIL, 0);
    driver.tail = 0;
    driver.submit(SDI | GTT_BIT, 0, DATA_GMADR, 9);
    expect(driver.word(0)).toBe(9);
  });

  it('writes to the status page by index', () => {
    driver.submit(0x10800001, 0x30 * 4, 0x1234, 0x13000001 | (1 << 14) | (1 << 21), (0x32 * 4) | 4, 0x5678);
    expect(driver.status.words[driver.status.at + 0x30]).toBe(0x1234);
    expect(driver.status.words[driver.status.at + 0x32]).toBe(0x5678);
  });

  it('writes post-sync data of the short PIPE_CONTROL', () => {
    driver.data.words[driver.data.at + 5] = 99;
    driver.submit(0x7a000002, (1 << 14) | (1 << 24) | (1 << 20), DATA_GMADR + 16, 0x77);
    expect(driver.word(4)).toBe(0x77);
    expect(driver.word(5)).toBe(0);
  });

  it('reads and writes registers and memory with 32-bit addresses', () => {
    driver.submit(LRI, 0x2600, 0xabcd, 0, 0x12000001 | GTT_BIT, 0x2600, DATA_GMADR + 4);
    expect(driver.word(1)).toBe(0xabcd);
    driver.submit(0x14800001 | GTT_BIT, 0x2608, DATA_GMADR + 4);
    expect(driver.gpu.read32(0x2608)).toBe(0xabcd);
  });
});

describe("Haswell's own address space", () => {
  it('is the directory in the global GTT that PP_DIR_BASE names', () => {
    const driver = new RingDriver(BCS);
    const directory = 0x400;
    const table = driver.gpu.allocate(1, OWNER);
    const page = driver.gpu.allocate(1, OWNER);
    // Entry 5 of the second table: 4 MiB and five pages.
    table.words[table.at + 5] = gen7Pte(page.mfn, 1);
    driver.gpu.writeGgtt(directory + 1, gen7Pde(table.mfn), 0);
    driver.gpu.write32(driver.base + RING.MODE, (PPGTT_ENABLE << 16) | PPGTT_ENABLE);
    driver.submit(LRI, driver.base + RING7.PP_DIR_BASE, ppDirBase(directory), 0, SDI, 0, 0x405000, 0xbeef);
    expect(page.words[page.at]).toBe(0xbeef);
    driver.submit(SDI, 0, 0x406000, 0xbeef);
    expect(driver.gpu.counters.faults).toBe(1);
  });

  it("of another's pages is a violation, and is not touched", () => {
    const driver = new RingDriver(BCS);
    const directory = 0x400;
    const table = driver.gpu.allocate(1, OWNER);
    const page = driver.gpu.allocate(1, OWNER + 1);
    table.words[table.at] = gen7Pte(page.mfn, 1);
    driver.gpu.writeGgtt(directory, gen7Pde(table.mfn), 0);
    driver.gpu.write32(driver.base + RING.MODE, (PPGTT_ENABLE << 16) | PPGTT_ENABLE);
    driver.gpu.write32(driver.base + RING7.PP_DIR_BASE, ppDirBase(directory));
    driver.submit(SDI, 0, 0, 0xbeef);
    expect(page.words[page.at]).toBe(0);
    expect(driver.gpu.oracle.violations).toBe(1);
  });

  it('is the global one where it is switched off', () => {
    const driver = new RingDriver(BCS);
    driver.submit(SDI, 0, DATA_GMADR, 0xbeef);
    expect(driver.word(0)).toBe(0xbeef);
  });
});

describe("Haswell's render contexts", () => {
  const setContext = (address: number, flags: number): number[] => [0x0c000000, (address | (1 << 8) | flags) >>> 0];

  it('keep their registers in their images', () => {
    const driver = new RingDriver(RCS);
    driver.submit(...setContext(DATA_GMADR, SET_CONTEXT.RESTORE_INHIBIT), LRI, 0x2600, 1, 0);
    driver.submit(...setContext(SECOND_GMADR, SET_CONTEXT.RESTORE_INHIBIT), LRI, 0x2600, 2, 0);
    expect(driver.gpu.read32(0x2600)).toBe(2);
    driver.submit(...setContext(DATA_GMADR, 0));
    expect(driver.gpu.read32(0x2600)).toBe(1);
    expect(driver.gpu.read32(CCID)).toBe(DATA_GMADR | 1);
    driver.submit(...setContext(SECOND_GMADR, 0));
    expect(driver.gpu.read32(0x2600)).toBe(2);
  });
});

describe("Haswell's interrupts", () => {
  it.each([
    [RCS, GROUP.GT7, 0],
    [VCS, GROUP.GT7, 12],
    [BCS, GROUP.GT7, 22],
    [VECS, GROUP.PM7, 10],
  ] as const)('of engine %i are latched in their group and raised by the master enable', (engine, group, bit) => {
    const driver = new RingDriver(engine);
    const { base } = INTERRUPT_GROUPS[group]!;
    driver.gpu.write32(driver.base + RING.IMR, ~(1 << bit) >>> 0);
    driver.gpu.write32(base + IRQ_IMR, ~(1 << bit) >>> 0);
    driver.gpu.write32(base + IRQ_IER, (1 << bit) >>> 0);
    driver.submit(USER_INTERRUPT);
    expect(driver.gpu.read32(base + IRQ_IIR)).toBe((1 << bit) >>> 0);
    expect(driver.interrupts).toBe(0);
    driver.gpu.write32(GEN7_MASTER_IER, MASTER_ENABLE);
    expect(driver.interrupts).toBe(1);
    driver.gpu.write32(base + IRQ_IIR, 0xffffffff);
    driver.submit(USER_INTERRUPT);
    expect(driver.interrupts).toBe(2);
  });
});
