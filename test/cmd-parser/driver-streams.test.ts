/** What i915 itself puts into rings and workaround buffers on Gen8/Gen9, as its public sources describe it. */
import { describe, expect, it } from 'vitest';
import { BCS, CMD, type EngineId, RCS, VCS, VECS } from '../../src/hw/index.js';
import { BATCH, BDW, HWSP, LOW_START, type Setup, SKL, scan } from './harness.js';

const len = (dwords: number): number => dwords - 2;
const GGTT = 1 << 22;
const SCRATCH = LOW_START + 0x3000;
const TIMELINE = LOW_START + 0x4000;

const storeIndexed = 1 << 21;
const pipe = (flags: number, address = 0): number[] => [CMD.PIPE_CONTROL | len(6), flags, address, 0, 0, 0];
const breadcrumbRcs = [...pipe((1 << 24) | (1 << 20) | (1 << 14) | (1 << 12), TIMELINE), CMD.MI_USER_INTERRUPT];
const breadcrumbXcs = [CMD.MI_FLUSH_DW | (1 << 14) | len(4), TIMELINE | 4, 0, 17, CMD.MI_USER_INTERRUPT];
const initBreadcrumb = [CMD.MI_STORE_DATA_IMM | GGTT | len(4), TIMELINE, 0, 16, CMD.MI_NOOP, CMD.MI_ARB_CHECK];
const startUserBatch = [
  CMD.MI_ARB_ON_OFF | 1,
  CMD.MI_BATCH_BUFFER_START | (1 << 8) | len(3),
  0x12340000,
  0xffff,
  CMD.MI_ARB_ON_OFF,
  CMD.MI_NOOP,
];
const tail = [CMD.MI_ARB_CHECK, CMD.MI_NOOP];

describe('a request of i915 in the ring', () => {
  it('passes on the render engine', () => {
    const flush = pipe((1 << 24) | storeIndexed | (1 << 14) | (1 << 20), 0xd0);
    const result = scan([...flush, ...initBreadcrumb, ...flush, ...startUserBatch, ...breadcrumbRcs, ...tail]);
    expect(result).toMatchObject({ ok: true, userInterrupts: 1, unprivilegedBatches: 1, batches: [], flips: [] });
    expect(result.words[2]).toBe(HWSP + 0xd0);
  });
  it.each([
    ['BCS', BCS],
    ['VCS', VCS],
    ['VECS', VECS],
  ] as [string, EngineId][])('passes on %s', (_name, engine) => {
    const flush = [CMD.MI_FLUSH_DW | storeIndexed | (1 << 14) | len(4), 0xd0 | 4, 0, 0];
    const result = scan([...flush, ...initBreadcrumb, ...startUserBatch, ...breadcrumbXcs, ...tail], { engine });
    expect(result).toMatchObject({ ok: true, userInterrupts: 1, unprivilegedBatches: 1 });
    expect(result.words[1]).toBe(HWSP + 0xd0 + 4);
  });
  it('passes with the context workarounds and memory object control of its first submission', () => {
    const lri = [CMD.MI_LOAD_REGISTER_IMM | len(7), 0x7014, 0x00100010, 0x7300, 0x80008000, 0xe184, 0x00200020];
    const mocs: number[] = [CMD.MI_LOAD_REGISTER_IMM | len(1 + 2 * 62)];
    for (let i = 0; i < 62; i++) mocs.push(0xc800 + 4 * i, 9);
    const l3cc: number[] = [CMD.MI_LOAD_REGISTER_IMM | len(1 + 2 * 32)];
    for (let i = 0; i < 32; i++) l3cc.push(0xb020 + 4 * i, 0x00300030);
    expect(scan([...lri, CMD.MI_NOOP, ...mocs, CMD.MI_NOOP, ...l3cc, CMD.MI_NOOP])).toMatchObject({
      ok: true,
      patches: 0,
      commands: 6,
    });
  });
});

describe('the render state batch that i915 runs with privilege once per context', () => {
  const state = (baseAddress: number) => [
    ...pipe(1 << 20),
    CMD.PIPELINE_SELECT,
    CMD.STATE_BASE_ADDRESS | len(baseAddress),
    ...new Array<number>(baseAddress - 1).fill(1),
    0x78100000 | len(9), // 3DSTATE_VS
    ...new Array<number>(8).fill(0),
    CMD['3DPRIMITIVE'] | len(7),
    ...new Array<number>(6).fill(0),
    CMD.MI_BATCH_BUFFER_END,
    CMD.MI_NOOP,
  ];
  it.each([
    ['SKL', SKL, 19],
    ['BDW', BDW, 16],
  ] as [string, NonNullable<Setup['platform']>, number][])('passes on %s', (_name, platform, baseAddress) => {
    const batch = state(baseAddress);
    const result = scan([CMD.MI_BATCH_BUFFER_START | len(3), BATCH, 0], { platform, memory: { [BATCH]: batch } });
    expect(result).toMatchObject({ ok: true, commands: 7 });
    expect(result.batches[0]!.dwords).toBe(batch.length - 1);
  });
});

describe('the workaround buffers of i915', () => {
  const saveL3 = [CMD.MI_STORE_REGISTER_MEM | GGTT | len(4), 0xb118, SCRATCH, 0];
  const setL3 = [CMD.MI_LOAD_REGISTER_IMM | len(3), 0xb118, 0x40400000];
  const restoreL3 = [CMD.MI_LOAD_REGISTER_MEM | GGTT | len(4), 0xb118, SCRATCH, 0];
  const flushL3 = [...saveL3, ...setL3, ...pipe((1 << 20) | (1 << 5)), ...restoreL3];
  it('pass at a restore (indirect context), padded and without an end', () => {
    const buffer = [
      CMD.MI_ARB_ON_OFF,
      ...flushL3,
      ...pipe((1 << 27) | (1 << 24) | storeIndexed | (1 << 14), 0xd0),
      CMD.MI_LOAD_REGISTER_IMM | len(5),
      0x7014,
      0x10001,
      0x20e4,
      0x10001,
      CMD.MI_NOOP,
      0x70050000 | len(6), // MEDIA_POOL_STATE
      0x00700000,
      0x00777000,
      0,
      0,
      0,
      CMD.MI_ARB_ON_OFF | 1,
    ];
    while (buffer.length % 16 !== 0) buffer.push(CMD.MI_NOOP);
    const result = scan(buffer, { trust: 'wa', engine: RCS });
    expect(result).toMatchObject({ ok: true, dwords: buffer.length });
  });
  it('pass per context, ended by a batch end', () => {
    expect(scan([CMD.MI_ARB_ON_OFF | 1, CMD.MI_BATCH_BUFFER_END], { trust: 'wa', platform: BDW }).ok).toBe(true);
  });
});
