import { describe, expect, it } from 'vitest';
import { OWNER_MEDIATOR } from '../../src/gpu/index.js';
import { CMD } from '../../src/hw/commands/index.js';
import { BCS, RCS } from '../../src/hw/index.js';
import { batchStart, Context, Driver, GGTT, Ppgtt, storeDword } from './driver.js';

const HERE = 0x10_0000;
const THERE = 0x20_0000;

/** Two guests; guest 1's page tables also reach one page of guest 2. */
function neighbours() {
  const driver = new Driver();
  const [mine, theirs] = [driver.memoryOf(1, 4), driver.memoryOf(2, 4)];
  const space = new Ppgtt(driver, 1);
  space.map(HERE, driver.gpu.frameBase(1), 4);
  space.map(THERE, driver.gpu.frameBase(2), 4);
  const run = (engine: typeof RCS | typeof BCS, ...commands: number[]): Context => {
    const context = new Context(driver, engine, 1, space).emit(...commands);
    driver.submit(engine, context);
    driver.run();
    return context;
  };
  return { driver, mine, theirs, space, run };
}

describe('the witness of isolation', () => {
  it('sees a context write a neighbour frame, and the write does not happen', () => {
    const { driver, theirs, run } = neighbours();
    run(RCS, ...storeDword(THERE + 0x1008, 1), ...storeDword(HERE, 1));
    const { oracle } = driver.gpu;
    expect(oracle.violations).toBe(1);
    expect(oracle.last[0]).toMatchObject({
      engine: 'RCS',
      owner: 1,
      mfn: driver.gpu.frameBase(2) + 1,
      mfnOwner: 2,
      gmadr: THERE + 0x1000,
      write: true,
    });
    expect(theirs.words.every((word) => word === 0)).toBe(true);
  });

  it('sees a context read a neighbour frame, which reads as zero', () => {
    const { driver, mine, theirs, run } = neighbours();
    theirs.words[0] = 0x5ec4e7;
    mine.words[0] = 1;
    run(RCS, CMD.MI_COPY_MEM_MEM | 3, HERE, 0, THERE, 0);
    expect(mine.words[0]).toBe(0);
    expect(driver.gpu.oracle.last[0]).toMatchObject({ owner: 1, mfnOwner: 2, write: false });
  });

  it('sees each page of a blit from a neighbour', () => {
    const { driver, mine, theirs, run } = neighbours();
    theirs.words.fill(7);
    mine.words.fill(1);
    run(
      BCS,
      CMD.XY_SRC_COPY_BLT | (3 << 20) | 8,
      (0xcc << 16) | (3 << 24) | 4096,
      0,
      (2 << 16) | 1024,
      HERE,
      0,
      0,
      4096,
      THERE,
      0,
    );
    expect(driver.gpu.oracle.violations).toBe(2);
    expect(mine.words.subarray(0, 2048).every((word) => word === 0)).toBe(true);
    expect(mine.words[2048]).toBe(1);
  });

  it('sees a batch fetched from a neighbour, and the engine hangs', () => {
    const { driver, mine, theirs, run } = neighbours();
    theirs.words.set([...storeDword(HERE, 1), CMD.MI_BATCH_BUFFER_END]);
    run(RCS, ...batchStart(THERE));
    expect(mine.words[0]).toBe(0);
    expect(driver.gpu.oracle.violations).toBe(1);
    expect(driver.events(RCS)).toHaveLength(1);
  });

  it('sees a global GTT entry of a neighbour used from a ring', () => {
    const { driver, run } = neighbours();
    const address = driver.mapGgtt(driver.gpu.frameBase(2), 1);
    run(RCS, ...storeDword(address, 1, GGTT));
    expect(driver.gpu.oracle.last[0]).toMatchObject({ mfnOwner: 2, gmadr: address, write: true });
  });

  it('sees page tables that lead through a neighbour', () => {
    const { driver, theirs, space, run } = neighbours();
    const table = space.table(HERE / 4096, 2);
    const frame = driver.gpu.frameBase(2) + 3;
    theirs.words[3 * 1024] = 3;
    // The first page directory entry now leads to a "page table" in the neighbour's memory.
    table.words[table.at] = ((frame % 2 ** 20) * 4096 + 3) >>> 0;
    table.words[table.at + 1] = Math.floor(frame / 2 ** 20);
    run(RCS, ...storeDword(HERE, 1));
    expect(driver.gpu.oracle.last[0]).toMatchObject({ mfn: frame, mfnOwner: 2, write: false });
  });

  it('sees frames that nobody has', () => {
    const { driver, space, run } = neighbours();
    space.map(0x30_0000, driver.gpu.frameBase(1) + 99);
    space.map(0x30_1000, driver.gpu.frameBase(3));
    space.map(0x30_2000, 0);
    run(RCS, ...storeDword(0x30_0000, 1), ...storeDword(0x30_1000, 1), ...storeDword(0x30_2000, 1));
    expect(driver.gpu.oracle.last.map(({ mfnOwner }) => mfnOwner)).toEqual([-1, -1, -1]);
  });

  it('sees frames of a guest whose memory was taken away', () => {
    const { driver, space } = neighbours();
    const context = new Context(driver, RCS, 1, space).emit(...storeDword(HERE, 1));
    driver.gpu.detachMemory(1);
    driver.submit(RCS, context);
    driver.run();
    expect(driver.gpu.oracle.last[0]).toMatchObject({ mfn: driver.gpu.frameBase(1), mfnOwner: -1 });
  });

  it('lets any context use scratch of the mediator, and nothing else of the mediator', () => {
    const { driver, space, run } = neighbours();
    const [scratch, secret] = [driver.gpu.allocate(1, OWNER_MEDIATOR), driver.gpu.allocate(1, OWNER_MEDIATOR)];
    driver.gpu.markScratch(scratch.mfn);
    space.map(0x30_0000, scratch.mfn);
    space.map(0x30_1000, secret.mfn);
    run(RCS, ...storeDword(0x30_0000, 1));
    expect(driver.gpu.oracle.violations).toBe(0);
    expect(scratch.words[scratch.at]).toBe(1);
    run(RCS, ...storeDword(0x30_1000, 1), CMD.MI_COPY_MEM_MEM | 3, HERE, 0, 0x30_1000, 0);
    expect(driver.gpu.oracle.last.map(({ mfnOwner, write }) => [mfnOwner, write])).toEqual([
      [OWNER_MEDIATOR, true],
      [OWNER_MEDIATOR, false],
    ]);
    expect(secret.words[secret.at]).toBe(0);
  });

  it('lets a context of the mediator use the mediator, but no guest', () => {
    const { driver } = neighbours();
    const page = driver.gpu.allocate(1, OWNER_MEDIATOR);
    const space = new Ppgtt(driver, OWNER_MEDIATOR);
    space.map(HERE, page.mfn);
    space.map(THERE, driver.gpu.frameBase(1));
    const context = new Context(driver, RCS, OWNER_MEDIATOR, space);
    driver.submit(RCS, context.emit(...storeDword(HERE, 1), ...storeDword(THERE, 1)));
    driver.run();
    expect(page.words[page.at]).toBe(1);
    expect(driver.gpu.oracle.last).toHaveLength(1);
    expect(driver.gpu.oracle.last[0]).toMatchObject({ owner: OWNER_MEDIATOR, mfnOwner: 1 });
  });

  it('sees a ring that belongs to another than the context', () => {
    const { driver, space } = neighbours();
    const context = new Context(driver, RCS, 1, space).emit(CMD.MI_ARB_CHECK);
    const other = new Context(driver, RCS, 2);
    context.set(0x09, other.get(0x09));
    driver.submit(RCS, context);
    driver.run();
    expect(driver.gpu.oracle.last[0]).toMatchObject({ owner: 1, mfnOwner: 2, write: false });
  });

  it('is not asked about a context image that no entry maps: the engine hangs on it', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1).emit(CMD.MI_ARB_CHECK);
    for (let i = 0; i < 4; i++) driver.gpu.writeGgtt(context.lrca / 4096 + i, 0, 0);
    driver.submit(RCS, context);
    driver.run();
    expect(driver.gpu.counters.faults).toBe(1);
    expect(driver.events(RCS)).toHaveLength(1);
  });

  it('keeps the last 64 and counts them all', () => {
    const { driver, run } = neighbours();
    run(RCS, ...Array.from({ length: 100 }, (_, i) => storeDword(THERE + i * 4, 1)).flat());
    expect(driver.gpu.oracle.violations).toBe(100);
    expect(driver.gpu.oracle.last).toHaveLength(64);
  });
});
