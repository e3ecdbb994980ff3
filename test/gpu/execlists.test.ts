import { describe, expect, it } from 'vitest';
import { CMD } from '../../src/hw/commands/index.js';
import { BCS, CTX, MASTER_IRQ, RCS, RING, VCS, VECS } from '../../src/hw/index.js';
import { Context, Driver, GGTT, hi, lo, loadRegister, Ppgtt, storeDword, storeRegister } from './driver.js';

const USER = 1 << 0;
const SWITCH = 1 << 8;
const BUSY_DRAW = [CMD['3DPRIMITIVE'] | 5, 0, 0, 0, 0, 0, 0];

describe('submission', () => {
  it.each([RCS, BCS, VCS, VECS] as const)(
    'engine %i runs a context and reports idle to active, complete and idle',
    (engine) => {
      const driver = new Driver();
      const context = new Context(driver, engine, 1).emit(CMD.MI_USER_INTERRUPT);
      driver.submit(engine, context);
      driver.run();
      expect(driver.events(engine)).toEqual([
        [0x1, 0],
        [0x18, context.id],
      ]);
      expect(driver.takeInterrupts(engine)).toBe(USER | SWITCH);
      expect(driver.interrupts).toBe(1);
      expect(driver.gpu.oracle.violations).toBe(0);
    },
  );

  it('reports an element switch between the two contexts of a list', () => {
    const driver = new Driver();
    const first = new Context(driver, RCS, 1).emit(CMD.MI_ARB_CHECK);
    const second = new Context(driver, RCS, 1).emit(CMD.MI_ARB_CHECK);
    driver.submit(RCS, first, second);
    driver.run();
    expect(driver.events(RCS)).toEqual([
      [0x1, 0],
      [0x14, first.id],
      [0x18, second.id],
    ]);
  });

  it('shows the running context in the status register, and the list register as stored', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1).emit(...BUSY_DRAW);
    driver.submit(RCS, context);
    driver.run(6_000);
    const base = driver.base(RCS);
    expect(driver.gpu.read32(base + RING.EXECLIST_STATUS_HI)).toBe(context.id);
    expect(driver.gpu.read32(base + RING.EXECLIST_STATUS_LO) & (3 << 17)).not.toBe(0);
    expect(driver.gpu.read32(base + RING.INSTDONE)).not.toBe(0xffffffff);
    driver.run();
    expect(driver.gpu.read32(base + RING.EXECLIST_STATUS_HI)).toBe(0);
    expect(driver.gpu.read32(base + RING.INSTDONE)).toBe(0xffffffff);
  });

  it('saves the head in the image, and goes on from it', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1).emit(...new Array(100).fill(CMD.MI_ARB_CHECK));
    driver.submit(RCS, context);
    driver.run();
    expect(context.get(CTX.RING_HEAD)).toBe(400);
    context.emit(CMD.MI_USER_INTERRUPT);
    driver.takeInterrupts(RCS);
    driver.submit(RCS, context);
    driver.run();
    expect(context.get(CTX.RING_HEAD)).toBe(408);
    expect(driver.takeInterrupts(RCS) & USER).toBe(USER);
  });

  it('wraps the ring, also in the middle of a command', () => {
    const driver = new Driver();
    const memory = driver.memoryOf(1, 1);
    const space = new Ppgtt(driver, 1);
    space.map(0x10000, driver.gpu.frameBase(1));
    const context = new Context(driver, RCS, 1, space);
    context.emit(...new Array(4096 - 2).fill(CMD.MI_NOOP));
    driver.submit(RCS, context);
    driver.run();
    context.emit(...storeDword(0x10000, 0xabcd));
    driver.submit(RCS, context);
    driver.run();
    expect(memory.words[0]).toBe(0xabcd);
    expect(context.get(CTX.RING_HEAD)).toBe(8);
  });

  it('appends to the running context by a lite restore', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1).emit(...BUSY_DRAW);
    driver.submit(RCS, context);
    driver.run(6_000);
    context.emit(CMD.MI_USER_INTERRUPT);
    driver.submit(RCS, context);
    driver.run();
    expect(driver.events(RCS)).toEqual([
      [0x1, 0],
      [0x8002, context.id],
      [0x18, context.id],
    ]);
    expect(driver.takeInterrupts(RCS) & USER).toBe(USER);
  });

  it('preempts a context between two commands of its ring, and resumes it where it was', () => {
    const driver = new Driver();
    const long = new Context(driver, RCS, 1);
    for (let i = 0; i < 100; i++) long.emit(...BUSY_DRAW);
    long.emit(CMD.MI_USER_INTERRUPT);
    const urgent = new Context(driver, RCS, 2).emit(CMD.MI_ARB_CHECK);
    driver.submit(RCS, long);
    driver.run(100_000);
    driver.submit(RCS, urgent, long);
    driver.run(50_000);
    expect(driver.events(RCS)).toEqual([
      [0x1, 0],
      [0x2, long.id],
      [0x14, urgent.id],
    ]);
    expect(driver.takeInterrupts(RCS) & USER).toBe(0);
    driver.run(2_000_000);
    expect(driver.events(RCS)).toEqual([[0x18, long.id]]);
    expect(driver.takeInterrupts(RCS) & USER).toBe(USER);
  });

  it('preempts a batch at MI_ARB_CHECK only, and resumes in the middle of it', () => {
    const driver = new Driver();
    const memory = driver.memoryOf(1, 4);
    const space = new Ppgtt(driver, 1);
    space.map(0x1_0000_0000, driver.gpu.frameBase(1), 4);
    // A thousand ns of MI_NOOP stand for the work.
    memory.words.set(
      [
        ...storeDword(0x1_0000_3000, 1),
        ...new Array(500).fill(0),
        CMD.MI_ARB_CHECK,
        ...storeDword(0x1_0000_3004, 2),
        CMD.MI_BATCH_BUFFER_END,
      ],
      0,
    );
    const long = new Context(driver, BCS, 1, space);
    long.emit(CMD.MI_BATCH_BUFFER_START | 0x101, lo(0x1_0000_0000), hi(0x1_0000_0000), 0, CMD.MI_USER_INTERRUPT);
    const urgent = new Context(driver, BCS, 1, space).emit(CMD.MI_ARB_CHECK);
    driver.submit(BCS, long);
    driver.run(5_000);
    driver.submit(BCS, urgent);
    driver.run(1_000_000);
    expect(driver.events(BCS)).toEqual([
      [0x1, 0],
      [0x2, long.id],
      [0x18, urgent.id],
    ]);
    expect([...memory.words.subarray(0xc00, 0xc02)]).toEqual([1, 0]);
    expect(long.get(CTX.BB_HEAD_LDW) & 1).toBe(1);
    driver.submit(BCS, long);
    driver.run(1_000_000);
    expect([...memory.words.subarray(0xc00, 0xc02)]).toEqual([1, 2]);
    expect(long.get(CTX.BB_HEAD_LDW) & 1).toBe(0);
    expect(driver.takeInterrupts(BCS) & USER).toBe(USER);
  });

  it('does not preempt while arbitration is off', () => {
    const driver = new Driver();
    const closed = new Context(driver, RCS, 1).emit(CMD.MI_ARB_ON_OFF, 0);
    for (let i = 0; i < 10; i++) closed.emit(...BUSY_DRAW);
    closed.emit(CMD.MI_ARB_ON_OFF | 1, 0);
    const other = new Context(driver, RCS, 1).emit(CMD.MI_ARB_CHECK);
    driver.submit(RCS, closed);
    driver.run(20_000);
    driver.submit(RCS, other);
    driver.run(30_000);
    expect(driver.events(RCS)).toEqual([[0x1, 0]]);
    driver.run();
    expect(driver.events(RCS).at(-1)).toEqual([0x18, other.id]);
  });

  it('keeps six status entries in turn, in the registers too', () => {
    const driver = new Driver();
    const contexts = Array.from({ length: 5 }, () => new Context(driver, VCS, 1).emit(CMD.MI_ARB_CHECK));
    for (const context of contexts) {
      driver.submit(VCS, context);
      driver.run();
      expect(driver.events(VCS)).toEqual([
        [0x1, 0],
        [0x18, context.id],
      ]);
    }
    const base = driver.base(VCS);
    expect(driver.gpu.read32(base + RING.CONTEXT_STATUS_PTR) & 7).toBe(3);
    expect(driver.gpu.read32(base + RING.CONTEXT_STATUS_BUF + 3 * 8)).toBe(0x18);
    expect(driver.gpu.read32(base + RING.CONTEXT_STATUS_BUF + 3 * 8 + 4)).toBe(contexts[4]!.id);
  });

  it('refuses a list whose first element is not valid, and any list without execlist mode', () => {
    const driver = new Driver();
    const port = driver.base(RCS) + RING.ELSP;
    for (let i = 0; i < 4; i++) driver.gpu.write32(port, 0);
    driver.gpu.write32(driver.base(BCS) + RING.MODE, 0x8000_0000);
    driver.submit(BCS, new Context(driver, BCS, 1));
    driver.run();
    expect(driver.gpu.counters.refusedSubmissions).toBe(2);
    expect(driver.events(RCS)).toEqual([]);
    expect(driver.events(BCS)).toEqual([]);
  });

  it('keeps general purpose registers per context where the image has a place for them', () => {
    const driver = new Driver();
    const memory = driver.memoryOf(1, 1);
    const space = new Ppgtt(driver, 1);
    space.map(0x10000, driver.gpu.frameBase(1));
    const gpr = driver.base(VCS) + RING.GPR0;
    const [first, second] = [1, 2].map((value) => {
      const context = new Context(driver, VCS, 1, space).emit(...loadRegister(gpr, value));
      context.set(0x40, CMD.MI_LOAD_REGISTER_IMM | 1);
      context.set(0x41, gpr);
      context.set(0x43, CMD.MI_BATCH_BUFFER_END);
      return context;
    }) as [Context, Context];
    driver.submit(VCS, first, second);
    driver.run();
    expect(driver.gpu.read32(gpr)).toBe(2);
    first.emit(...storeRegister(gpr, 0x10000));
    driver.submit(VCS, first);
    driver.run();
    expect(memory.words[0]).toBe(1);
  });

  it('does not load the engine state of a context whose restore is inhibited', () => {
    const driver = new Driver();
    const gpr = driver.base(VCS) + RING.GPR0;
    const context = new Context(driver, VCS, 1).emit(CMD.MI_ARB_CHECK);
    context.set(CTX.CONTEXT_CONTROL, 1);
    const load = [CMD.MI_LOAD_REGISTER_IMM | 1, gpr, 77, CMD.MI_BATCH_BUFFER_END];
    context.image.words.set(load, context.state + 0x40);
    driver.submit(VCS, context);
    driver.run();
    expect(driver.gpu.read32(gpr)).toBe(0);
    expect(context.get(0x42)).toBe(0);
    expect(context.get(CTX.CONTEXT_CONTROL) & 1).toBe(0);
  });

  it('runs the indirect context and the per-context batch before the ring', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1);
    const parts = driver.gpu.allocate(1, 1);
    const address = driver.mapGgtt(parts.mfn, 1);
    const gpr = driver.base(RCS) + RING.GPR0;
    parts.words.set([...loadRegister(gpr + 4, 2), CMD.MI_BATCH_BUFFER_END], parts.at);
    parts.words.set(loadRegister(gpr, 1), parts.at + 16);
    context.set(CTX.INDIRECT_CTX, (address + 64) | 1);
    context.set(CTX.BB_PER_CTX_PTR, address | 1);
    context.emit(
      ...storeRegister(gpr, context.lrca + 0x100, GGTT),
      ...storeRegister(gpr + 4, context.lrca + 0x104, GGTT),
    );
    driver.submit(RCS, context);
    driver.run();
    expect([context.status(0x40), context.status(0x41)]).toEqual([1, 2]);
    expect(driver.events(RCS)).toHaveLength(2);
    expect(driver.gpu.oracle.violations).toBe(0);
  });
});

describe('interrupts', () => {
  it('are latched but not raised while the master enable is off, and raised when it comes on', () => {
    const driver = new Driver();
    driver.gpu.write32(MASTER_IRQ, 0);
    driver.submit(BCS, new Context(driver, BCS, 1).emit(CMD.MI_USER_INTERRUPT));
    driver.run();
    expect(driver.interrupts).toBe(0);
    expect(driver.gpu.read32(MASTER_IRQ)).toBe(2);
    driver.gpu.write32(MASTER_IRQ, 0x80000000);
    expect(driver.interrupts).toBe(1);
    driver.takeInterrupts(BCS);
    expect(driver.gpu.read32(MASTER_IRQ)).toBe(0x80000000);
  });

  it('are held back by the mask of the group and by the mask of the engine', () => {
    const driver = new Driver();
    driver.gpu.write32(0x44304, 1 << 0);
    driver.gpu.write32(driver.base(RCS) + RING.IMR, 1 << 8);
    driver.submit(RCS, new Context(driver, RCS, 1).emit(CMD.MI_USER_INTERRUPT));
    driver.run();
    expect(driver.interrupts).toBe(0);
    expect(driver.takeInterrupts(RCS)).toBe(0);
    expect(driver.events(RCS)).toHaveLength(2);
  });
});

describe('reset', () => {
  /** A batch that jumps to itself for ever. */
  function hang(driver: Driver, engine: typeof RCS | typeof BCS): Context {
    const batch = driver.gpu.allocate(1, 1);
    const address = driver.mapGgtt(batch.mfn, 1);
    batch.words.set([CMD.MI_BATCH_BUFFER_START | 1, address, 0], batch.at);
    const context = new Context(driver, engine, 1).emit(CMD.MI_BATCH_BUFFER_START | 1, address, 0);
    driver.submit(engine, context);
    driver.run(100_000);
    return context;
  }

  it('of one engine ends its endless batch and leaves the other engine running', () => {
    const driver = new Driver();
    const hung = hang(driver, RCS);
    const other = hang(driver, BCS);
    const rcs = driver.base(RCS);
    expect(driver.gpu.read32(rcs + RING.EXECLIST_STATUS_HI)).toBe(hung.id);
    driver.gpu.write32(rcs + RING.RESET_CTL, 0x0001_0001);
    expect(driver.gpu.read32(rcs + RING.RESET_CTL) & 2).toBe(2);
    driver.gpu.write32(0x941c, 1 << 1);
    expect(driver.gpu.read32(0x941c)).toBe(0);
    expect(driver.gpu.read32(rcs + RING.EXECLIST_STATUS_HI)).toBe(0);
    expect(driver.gpu.read32(rcs + RING.CONTEXT_STATUS_PTR)).toBe(7);
    expect(driver.gpu.read32(driver.base(BCS) + RING.EXECLIST_STATUS_HI)).toBe(other.id);
    driver.startEngine(RCS);
    const next = new Context(driver, RCS, 1).emit(CMD.MI_USER_INTERRUPT);
    driver.submit(RCS, next);
    driver.run(100_000);
    expect(driver.events(RCS)).toEqual([
      [0x1, 0],
      [0x18, next.id],
    ]);
  });

  it('of the whole device ends everything', () => {
    const driver = new Driver();
    hang(driver, RCS);
    hang(driver, BCS);
    driver.gpu.write32(0x941c, 1);
    expect(driver.gpu.nextDue()).toBe(Number.POSITIVE_INFINITY);
    expect(driver.gpu.read32(driver.base(RCS) + RING.MODE)).toBe(0);
  });

  it('is not needed to stop a ring: it idles between two commands, and what is left takes its time later', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1).emit(...BUSY_DRAW, ...BUSY_DRAW, CMD.MI_USER_INTERRUPT);
    driver.submit(RCS, context);
    driver.run(6_000);
    const mode = driver.base(RCS) + RING.MI_MODE;
    expect(driver.gpu.read32(mode) & (1 << 9)).toBe(0);
    driver.gpu.write32(mode, 0x0100_0100);
    expect(driver.gpu.read32(mode) & (1 << 9)).not.toBe(0);
    driver.run();
    expect(driver.events(RCS)).toEqual([[0x1, 0]]);
    driver.gpu.write32(mode, 0x0100_0000);
    driver.run(7_000);
    expect(driver.events(RCS)).toEqual([]);
    driver.run(10_000);
    expect(driver.events(RCS)).toEqual([[0x18, context.id]]);
  });
});
