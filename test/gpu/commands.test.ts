import { describe, expect, it } from 'vitest';
import { CMD } from '../../src/hw/commands/index.js';
import { BCS, type EngineId, RCS, RING, VCS, VECS } from '../../src/hw/index.js';
import {
  BATCH_END,
  batchStart,
  Context,
  Driver,
  GGTT,
  hi,
  lo,
  loadRegister,
  Ppgtt,
  storeDword,
  storeRegister,
  type TestMemory,
} from './driver.js';

const DATA = 0x7fff_0000_0000;
const BATCH = 0x2000_0000;

/** A guest with a page of data and four pages of batch buffers, and a context that sees both. */
class Bench {
  readonly driver: Driver;
  readonly memory: TestMemory;
  readonly space: Ppgtt;
  readonly engine: EngineId;
  context: Context;
  constructor(engine: EngineId = RCS, platform = 'SKL') {
    this.engine = engine;
    this.driver = new Driver(platform);
    this.memory = this.driver.memoryOf(1, 8);
    this.space = new Ppgtt(this.driver, 1);
    const base = this.driver.gpu.frameBase(1);
    this.space.map(DATA, base);
    this.space.map(BATCH, base + 1, 4);
    this.context = new Context(this.driver, engine, 1, this.space);
  }
  /** Dword `index` of the data page. */
  data(index: number): number {
    return this.memory.words[index]!;
  }
  setData(index: number, value: number): void {
    this.memory.words[index] = value;
  }
  /** Puts a batch at byte `offset` of the batch buffers. */
  batch(commands: number[], offset = 0): number {
    this.memory.words.set([...commands, BATCH_END], (4096 + offset) / 4);
    return BATCH + offset;
  }
  run(...commands: number[]): this {
    this.driver.submit(this.engine, this.context.emit(...commands));
    this.driver.run();
    return this;
  }
  /** Runs the commands in an unprivileged batch. */
  runBatch(...commands: number[]): this {
    return this.run(...batchStart(this.batch(commands)));
  }
  get base(): number {
    return this.driver.base(this.engine);
  }
}

describe('stores', () => {
  it.each([RCS, BCS, VCS, VECS] as const)('engine %i stores a dword through a 4-level PPGTT', (engine) => {
    const bench = new Bench(engine).run(...storeDword(DATA + 8, 0x1234));
    expect(bench.data(2)).toBe(0x1234);
    expect(bench.driver.gpu.oracle.violations).toBe(0);
  });

  it('goes through a 3-level PPGTT where the descriptor says so', () => {
    const driver = new Driver('BDW');
    const memory = driver.memoryOf(1, 1);
    const space = new Ppgtt(driver, 1);
    space.map(0xc000_1000, driver.gpu.frameBase(1));
    const context = new Context(driver, RCS, 1, space, 3).emit(...storeDword(0xc000_1000, 5));
    driver.submit(RCS, context);
    driver.run();
    expect(memory.words[0]).toBe(5);
  });

  it('goes through pages of 2 MiB and of 64 KiB', () => {
    const driver = new Driver();
    const memory = driver.memoryOf(1, 1024 + 16);
    const base = driver.gpu.frameBase(1);
    const space = new Ppgtt(driver, 1);
    space.map2M(0x4000_0000, base + 512);
    space.map64K(0x8001_0000, base + 1024);
    const context = new Context(driver, RCS, 1, space);
    context.emit(...storeDword(0x4000_0000 + 5 * 4096, 1), ...storeDword(0x8001_0000 + 7 * 4096 + 4, 2));
    driver.submit(RCS, context);
    driver.run();
    expect(memory.words[(512 + 5) * 1024]).toBe(1);
    expect(memory.words[(1024 + 7) * 1024 + 1]).toBe(2);
  });

  it('of qwords and of several dwords arrive whole', () => {
    const bench = new Bench();
    bench.run(CMD.MI_STORE_DATA_IMM | (1 << 21) | 3, lo(DATA), hi(DATA), 1, 2);
    bench.run(CMD.MI_STORE_DATA_IMM | 5, lo(DATA + 16), hi(DATA), 3, 4, 5, 6);
    expect([...bench.memory.words.subarray(0, 8)]).toEqual([1, 2, 0, 0, 3, 4, 5, 6]);
  });

  it('by a global address from an unprivileged batch go to the context own address space', () => {
    const bench = new Bench();
    const target = bench.driver.gpu.allocate(1, 1);
    const address = bench.driver.mapGgtt(target.mfn, 1);
    bench.space.map(address, bench.driver.gpu.frameBase(1) + 5);
    bench.runBatch(...storeDword(address, 9, GGTT));
    expect(target.words[target.at]).toBe(0);
    expect(bench.memory.words[5 * 1024]).toBe(9);
    bench.run(...storeDword(address, 7, GGTT));
    expect(target.words[target.at]).toBe(7);
  });

  it('to an address that nothing maps are dropped and counted as a fault', () => {
    const bench = new Bench().run(...storeDword(DATA + 0x10000, 1), ...storeDword(DATA, 2));
    expect(bench.driver.gpu.counters.faults).toBe(1);
    expect(bench.driver.gpu.read32(0x4094) & 1).toBe(1);
    expect(bench.data(0)).toBe(2);
  });

  it('to a page mapped read only are dropped', () => {
    const bench = new Bench();
    bench.space.map(0x5000, bench.driver.gpu.frameBase(1) + 5, 1, 1);
    bench.memory.words[5 * 1024] = 42;
    bench.run(...storeDword(0x5000, 1), CMD.MI_COPY_MEM_MEM | 3, lo(DATA), hi(DATA), 0x5000, 0);
    expect(bench.memory.words[5 * 1024]).toBe(42);
    expect(bench.data(0)).toBe(42);
  });
});

describe('batch buffers', () => {
  it('return to the ring, from a second level to the first', () => {
    const bench = new Bench();
    const second = bench.batch(storeDword(DATA + 4, 2), 0x1000);
    const first = bench.batch([
      ...storeDword(DATA, 1),
      ...batchStart(second, 0x100 | (1 << 22)),
      ...storeDword(DATA + 8, 3),
    ]);
    bench.run(...batchStart(first), ...storeDword(DATA + 12, 4));
    expect([...bench.memory.words.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
  });

  it('that are chained do not come back', () => {
    const bench = new Bench();
    const chained = bench.batch(storeDword(DATA + 4, 2), 0x1000);
    const first = bench.batch([...batchStart(chained), ...storeDword(DATA + 8, 3)]);
    bench.run(...batchStart(first), ...storeDword(DATA + 12, 4));
    expect([...bench.memory.words.subarray(0, 4)]).toEqual([0, 2, 0, 4]);
  });

  it('may write the jump that they are about to take', () => {
    const bench = new Bench();
    const target = bench.batch(storeDword(DATA, 1), 0x1000);
    const batch = [...storeDword(BATCH + 20, lo(target)), ...batchStart(0)];
    bench.runBatch(...batch);
    expect(bench.data(0)).toBe(1);
  });

  it('without privilege stay in their address space whatever a jump asks for', () => {
    const bench = new Bench();
    const target = bench.batch(storeDword(DATA, 1, GGTT), 0x1000);
    bench.runBatch(...batchStart(target, 0));
    expect(bench.data(0)).toBe(1);
    expect(bench.driver.gpu.oracle.violations).toBe(0);
  });

  it('are skipped while their predicate is clear', () => {
    const bench = new Bench();
    const batch = bench.batch(storeDword(DATA, 1));
    const predicate = bench.base + RING.PREDICATE_RESULT_1;
    bench.run(...loadRegister(predicate, 0), ...batchStart(batch, 0x8100));
    expect(bench.data(0)).toBe(0);
    bench.run(...loadRegister(predicate, 1), ...batchStart(batch, 0x8100));
    expect(bench.data(0)).toBe(1);
  });

  it.each([
    [0, 0, false],
    [1, 0, true],
  ])('end early when memory %i is not above %i', (memory, data, continues) => {
    const bench = new Bench();
    bench.setData(1, memory);
    bench.runBatch(
      CMD.MI_CONDITIONAL_BATCH_BUFFER_END | (1 << 21) | 2,
      data,
      lo(DATA),
      hi(DATA),
      ...storeDword(DATA + 8, 1),
    );
    expect(bench.data(2)).toBe(0);
    bench.setData(0, memory);
    bench.run(...batchStart(BATCH));
    expect(bench.data(2)).toBe(continues ? 1 : 0);
  });

  it('that cannot be fetched hang the engine', () => {
    const bench = new Bench().run(...batchStart(0x7000_0000));
    expect(bench.driver.events(RCS)).toEqual([[1, 0]]);
    expect(bench.driver.gpu.nextDue()).toBe(Number.POSITIVE_INFINITY);
  });

  it('with a command that the engine does not know hang it, and it is counted', () => {
    const bench = new Bench(VECS).runBatch(CMD.XY_COLOR_BLT | 5);
    expect(bench.driver.gpu.counters.unknownCommands).toBe(1);
    expect(bench.driver.gpu.read32(bench.base + RING.IPEHR)).toBe(CMD.XY_COLOR_BLT | 5);
    expect(bench.driver.events(VECS)).toEqual([[1, 0]]);
  });
});

describe('registers', () => {
  it('move to memory, from memory, and from one to another', () => {
    const bench = new Bench();
    const gpr = bench.base + RING.GPR0;
    bench.setData(0, 11);
    bench.runBatch(
      CMD.MI_LOAD_REGISTER_MEM | 2,
      gpr,
      lo(DATA),
      hi(DATA),
      CMD.MI_LOAD_REGISTER_REG | 1,
      gpr,
      gpr + 8,
      ...storeRegister(gpr + 8, DATA + 4),
    );
    expect(bench.data(1)).toBe(11);
  });

  it('beyond the few of an unprivileged batch are not written by it, and by the ring they are', () => {
    const bench = new Bench();
    const hwsp = bench.base + RING.HWS_PGA;
    const before = bench.driver.gpu.read32(hwsp);
    bench.runBatch(...loadRegister(hwsp, 0x5000, 0x941c, 1));
    expect(bench.driver.gpu.read32(hwsp)).toBe(before);
    expect(bench.driver.gpu.counters.refusedRegisterWrites).toBe(2);
    bench.run(...loadRegister(0x7300, 0x0003_0003));
    expect(bench.driver.gpu.read32(0x7300)).toBe(3);
  });

  it('beside those few, the mode of the engine and its timestamp among them, are not written by it', () => {
    const bench = new Bench();
    const mode = bench.base + RING.MODE;
    const before = bench.driver.gpu.read32(mode);
    bench.runBatch(...loadRegister(0x2294, 7, 0x2354, 8, 0x2298, 1, mode, 0x8000_0000, bench.base + RING.TIMESTAMP, 1));
    expect(bench.driver.gpu.read32(mode)).toBe(before);
    expect([bench.driver.gpu.read32(0x2294), bench.driver.gpu.read32(0x2354)]).toEqual([7, 8]);
    expect(bench.driver.gpu.counters.refusedRegisterWrites).toBe(3);
  });

  it("of the render engine are not written by another engine's batch", () => {
    const bench = new Bench(BCS);
    bench.runBatch(...loadRegister(0x7004, 1, bench.base + RING.GPR0, 2));
    expect(bench.driver.gpu.read32(0x7004)).toBe(0);
    expect(bench.driver.gpu.counters.refusedRegisterWrites).toBe(1);
  });

  it('that a slot releases to unprivileged batches are written by them', () => {
    const bench = new Bench();
    bench.driver.gpu.write32(bench.base + RING.FORCE_TO_NONPRIV + 8, 0x7300);
    bench.runBatch(...loadRegister(0x7300, 0x0005_0005, 0x7304, 0x0006_0006));
    expect(bench.driver.gpu.read32(0x7300)).toBe(5);
    expect(bench.driver.gpu.read32(0x7304)).toBe(0);
  });

  it('are calculated with by MI_MATH, with carry and zero', () => {
    const bench = new Bench();
    const gpr = bench.base + RING.GPR0;
    const alu = (opcode: number, to: number, from = 0): number => ((opcode << 20) | (to << 10) | from) >>> 0;
    const program = [
      alu(0x080, 0x20, 0),
      alu(0x080, 0x21, 1),
      alu(0x101, 0),
      alu(0x180, 2, 0x31),
      alu(0x180, 3, 0x33),
      alu(0x080, 0x21, 0),
      alu(0x101, 0),
      alu(0x180, 4, 0x32),
    ];
    bench.runBatch(
      ...loadRegister(gpr, 1, gpr + 4, 0, gpr + 8, 2, gpr + 12, 0),
      CMD.MI_MATH | (program.length - 1),
      ...program,
    );
    const wide = (index: number): number[] => [0, 4].map((half) => bench.driver.gpu.read32(gpr + index * 8 + half));
    expect(wide(2)).toEqual([0xffffffff, 0xffffffff]);
    expect(wide(3)).toEqual([0xffffffff, 0xffffffff]);
    expect(wide(4)).toEqual([0xffffffff, 0xffffffff]);
  });
});

describe('atomics', () => {
  const atomic = (opcode: number, address: number, bits: number, ...operands: number[]): number[] => {
    const inline = [0, 0, 0, 0, 0, 0, 0, 0].map((_zero, i) => operands[i] ?? 0);
    return [CMD.MI_ATOMIC | 9 | (1 << 18) | (opcode << 8) | bits, lo(address), hi(address), ...inline];
  };
  it.each([
    ['add', 7, 10, [5], 15],
    ['subtract', 8, 10, [11], 0xffffffff],
    ['exchange', 4, 10, [3], 3],
    ['or', 2, 10, [5], 15],
    ['unsigned maximum', 12, 10, [0xfffffff0], 0xfffffff0],
    ['signed maximum', 10, 10, [0xfffffff0], 10],
    ['compare and exchange, equal', 14, 10, [10, 99], 99],
    ['compare and exchange, different', 14, 10, [9, 99], 10],
  ])('%s', (_name, opcode, before, operands, after) => {
    const bench = new Bench();
    bench.setData(0, before);
    bench.runBatch(...atomic(opcode, DATA, 0, ...operands));
    expect(bench.data(0)).toBe(after);
  });

  it('carry into the upper half of a qword, and return what was there', () => {
    const bench = new Bench();
    bench.memory.words.set([0xffffffff, 1], 0);
    bench.runBatch(...atomic(0x25, DATA, (1 << 19) | (1 << 16)));
    expect([bench.data(0), bench.data(1)]).toEqual([0, 2]);
    expect(bench.driver.gpu.read32(bench.base + RING.GPR0 + 32)).toBe(0xffffffff);
  });
});

describe('post-sync writes', () => {
  it('of PIPE_CONTROL: immediate, timestamp, depth count', () => {
    const bench = new Bench();
    const control = (operation: number, address: number): number[] => [
      CMD.PIPE_CONTROL | 4,
      operation << 14,
      lo(address),
      hi(address),
      0x55,
      0x66,
    ];
    bench.setData(4, 77);
    bench.runBatch(...control(1, DATA), ...control(3, DATA + 8), ...control(2, DATA + 16));
    expect([bench.data(0), bench.data(1)]).toEqual([0x55, 0x66]);
    expect(bench.data(2)).toBeGreaterThan(0);
    expect(bench.data(4)).toBe(0);
  });

  it.each([RCS, BCS, VCS, VECS] as const)(
    'engine %i: MI_FLUSH_DW in its short and its long form, with a notification',
    (engine) => {
      const bench = new Bench(engine);
      bench.memory.words.set([1, 1, 1, 1], 0);
      bench.run(CMD.MI_FLUSH_DW | 2 | (1 << 14), lo(DATA), hi(DATA), 7);
      bench.run(CMD.MI_FLUSH_DW | 3 | (1 << 14) | (1 << 8), lo(DATA + 8), hi(DATA), 8, 9);
      expect([...bench.memory.words.subarray(0, 4)]).toEqual([7, 1, 8, 9]);
      expect(bench.driver.takeInterrupts(engine) & (1 << 4)).not.toBe(0);
    },
  );

  it('by index land in the context status page', () => {
    const bench = new Bench(BCS).run(CMD.MI_FLUSH_DW | 3 | (1 << 14) | (1 << 21), 0x180 | 4, 0, 21, 22);
    expect([bench.context.status(0x60), bench.context.status(0x61)]).toEqual([21, 22]);
    expect(bench.driver.gpu.oracle.violations).toBe(0);
  });
});

describe('semaphores', () => {
  const wait = (address: number, value: number): number[] => [
    CMD.MI_SEMAPHORE_WAIT | 2 | (1 << 15) | (4 << 12),
    value,
    lo(address),
    hi(address),
  ];

  it('hold an engine until another engine stores what it waits for', () => {
    const bench = new Bench(RCS);
    bench.context.emit(...wait(DATA, 3), ...storeDword(DATA + 4, 1));
    bench.driver.submit(RCS, bench.context);
    bench.driver.run(100_000);
    expect(bench.data(1)).toBe(0);
    const signaller = new Context(bench.driver, BCS, 1, bench.space).emit(...storeDword(DATA, 3));
    bench.driver.submit(BCS, signaller);
    bench.driver.run(1_000_000);
    expect(bench.data(1)).toBe(1);
    expect(bench.driver.events(RCS)).toHaveLength(2);
  });

  it('let another list take the engine, and are asked again when theirs comes back', () => {
    const bench = new Bench(RCS);
    bench.context.emit(...batchStart(bench.batch([...wait(DATA, 3), ...storeDword(DATA + 4, 1)])));
    bench.driver.submit(RCS, bench.context);
    bench.driver.run(100_000);
    const signaller = new Context(bench.driver, RCS, 1, bench.space).emit(...storeDword(DATA, 3));
    bench.driver.submit(RCS, signaller, bench.context);
    bench.driver.run(1_000_000);
    expect(bench.data(1)).toBe(1);
    expect(bench.driver.events(RCS).map(([event]) => event)).toEqual([0x1, 0x2, 0x14, 0x18]);
  });
});

it('commands that the model only skips are counted by their header', () => {
  const bench = new Bench(BCS).runBatch(0x51 * 0x400000 + 0x40000006, 0, 0, 0, 0, 0, 0, 0, ...storeDword(DATA, 1));
  expect(bench.driver.gpu.counters.unsupportedCommands).toBe(1);
  expect([...bench.driver.gpu.unsupported.keys()]).toEqual([0x54400000]);
  expect(bench.data(0)).toBe(1);
});
