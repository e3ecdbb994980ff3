/** Rings that start batches of each kind: what is followed, what of the ring's copy is changed, and where the walk goes on. */
import { describe, expect, it } from 'vitest';
import { CMD } from '../../../src/hw/index.js';
import { BATCH, LOW_END, LOW_START } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  GLOBAL,
  HOMES,
  JUNK,
  jump,
  jumpSize,
  len,
  NOOP,
  noops,
  PAGE,
  PPGTT,
  PREDICATED,
  pieces,
  ring,
  SECOND,
} from './walker.js';

const globalStore = (address: number): number[] => [CMD.MI_STORE_DATA_IMM | GLOBAL | len(4), address, 0, 1];

describe.each(HOMES)('%s: a batch that the ring starts', (home) => {
  const base = baseOf(home);
  const size = jumpSize(home);
  it('is walked, and then what follows in the ring', () => {
    const dwords = [NOOP, ...jump(home, base), NOOP, NOOP];
    const result = ring(home, dwords, { [base]: [NOOP, NOOP, END, JUNK] });
    expect(result).toMatchObject({ ok: true, commands: 7, dwords: size + 6, loop: false, unprivilegedBatches: 0 });
    expect(pieces(result, base)).toEqual([[0, 3, 'primary']]);
    expect(ring(home, [NOOP, ...jump(home, base), NOOP, ...FORBIDDEN], { [base]: [END] })).toMatchObject({
      code: 'refused-command',
      batch: -1,
      dword: size + 2,
      commands: 4,
      dwords: size + 3,
    });
  });
  it('is named in what is refused of it', () => {
    const result = ring(home, jump(home, base), { [base]: [NOOP, ...FORBIDDEN, END] });
    expect(result).toMatchObject({ code: 'refused-command', dword: 1, batch: home === 'ppgtt' ? -1 : 0 });
    expect(result.message).toContain(`batch 0x${base.toString(16)} dword 1`);
  });
  it('that is not there is refused, and its start is named', () => {
    const result = ring(home, [NOOP, ...jump(home, base)], {});
    expect(result).toMatchObject({ code: 'batch-unmapped', batch: -1, gmadr: base, command: 'MI_BATCH_BUFFER_START' });
    expect(result.message).toContain('RCS ring dword 1: MI_BATCH_BUFFER_START');
  });
  it('is walked again for each start in place, and copied once', () => {
    const dwords = [...jump(home, base), NOOP, ...jump(home, base), NOOP];
    const result = ring(home, dwords, { [base]: [NOOP, END] });
    expect(result.ok).toBe(true);
    expect(pieces(result, base)).toHaveLength(home === 'ppgtt' ? 2 : 1);
    expect(result).toMatchObject({ commands: home === 'ppgtt' ? 8 : 6, loop: false });
    if (home === 'ppgtt') return;
    expect(result.batches[0]!.patchAt.map(({ batch, dword }) => [batch, dword])).toEqual([
      [-1, 1],
      [-1, size + 2],
    ]);
  });
  it('is followed through a chain back to the ring', () => {
    const memory = { [base]: jump(home, base + PAGE), [base + PAGE]: [NOOP, END] };
    const result = ring(home, [...jump(home, base), NOOP], memory);
    expect(result).toMatchObject({ ok: true, commands: 5 });
    expect(pieces(result, base).map(([, , kind]) => kind)).toEqual(['primary', 'chain']);
    expect(ring(home, [...jump(home, base), ...FORBIDDEN], memory)).toMatchObject({
      code: 'refused-command',
      dword: size,
    });
  });
  it('may be predicated: the ring goes on behind it either way', () => {
    const dwords = [...jump(home, base, PREDICATED), ...FORBIDDEN];
    expect(ring(home, dwords, { [base]: [END] })).toMatchObject({ code: 'refused-command', batch: -1, dword: size });
    expect(ring(home, jump(home, base, PREDICATED), { [base]: [...FORBIDDEN] }).code).toBe('refused-command');
    expect(ring(home, jump(home, base, PREDICATED), { [base]: [END] })).toMatchObject({ ok: true, commands: 2 });
  });
  it('may be the last of the ring contents', () => {
    const result = ring(home, [...noops(3), ...jump(home, base)], { [base]: [END] });
    expect(result).toMatchObject({ ok: true, commands: 5, dwords: 4 + size });
  });
});

describe('the ring that starts copies', () => {
  it.each(COPIED)('%s: names the dword that takes the address of the copy', (home) => {
    const base = baseOf(home);
    const result = ring(home, [NOOP, ...jump(home, base)], { [base]: [END] });
    const wide = home !== 'haswell';
    expect(result.batches).toMatchObject([
      { sourceGmadr: base, perProcess: home !== 'privileged', level: 1, patchAt: [{ batch: -1, dword: 2, wide }] },
    ]);
  });
  it.each(COPIED)('%s: starts them in global memory, where copies are', (home) => {
    const base = baseOf(home);
    const dwords = [NOOP, ...jump(home, base)];
    const result = ring(home, dwords, { [base]: [...jump(home, base + PAGE, SECOND), END], [base + PAGE]: [END] });
    expect(result.words).toEqual([NOOP, dwords[1]! & ~PPGTT, ...dwords.slice(2)]);
    expect(result.patches).toBe(home === 'privileged' ? 0 : 2);
    expect(result.batches[0]!.words[0]! & PPGTT).toBe(0);
    expect(result.batches.map(({ level, patchAt }) => [level, patchAt[0]!.batch, patchAt[0]!.dword])).toEqual([
      [1, -1, 2],
      [2, 0, 1],
    ]);
  });
  it('leaves what is judged in place as it is', () => {
    const dwords = [NOOP, ...jump('ppgtt', PROCESS)];
    const result = ring('ppgtt', dwords, { [PROCESS]: [END] });
    expect(result).toMatchObject({ patches: 0, batches: [] });
    expect(result.words).toEqual(dwords);
  });
});

describe('a ring with batches of both kinds', () => {
  const own = (...dwords: number[]) => ({ [PROCESS]: dwords });
  it('judges each by its own trust', () => {
    for (const home of ['ppgtt', 'copied'] as const) {
      const body = [...globalStore(LOW_START), END];
      const dwords = [...jump('privileged', BATCH), ...jump(home, PROCESS), ...globalStore(LOW_START)];
      const ggtt = { [BATCH]: body };
      expect(ring(home, dwords, own(END), { ggtt }).ok).toBe(true);
      expect(ring(home, dwords, own(...body), { ggtt })).toMatchObject({ code: 'global-select', dword: 0 });
      const wrong = [...dwords.slice(0, -4), ...globalStore(LOW_END)];
      expect(ring(home, wrong, own(END), { ggtt })).toMatchObject({ code: 'address', batch: -1, dword: 6 });
    }
  });
  it('tells batches of the same address in two address spaces apart', () => {
    const dwords = [...jump('privileged', BATCH), ...jump('copied', BATCH)];
    const result = ring('copied', dwords, { [BATCH]: [NOOP, NOOP, END] }, { ggtt: { [BATCH]: [NOOP, END] } });
    expect(result.ok).toBe(true);
    expect(result.batches.map(({ dwords: length, perProcess }) => [length, perProcess])).toEqual([
      [2, false],
      [3, true],
    ]);
  });
  it("starts a process's batch from a privileged one, and comes back", () => {
    const ggtt = { [BATCH]: [...jump('ppgtt', PROCESS, SECOND), ...globalStore(LOW_START), END] };
    for (const home of ['ppgtt', 'copied'] as const) {
      const result = ring(home, [...jump('privileged', BATCH), NOOP], own(NOOP, END), { ggtt });
      expect(result).toMatchObject({ ok: true, commands: 7, dwords: 14 });
      expect([...result.segments]).toEqual([
        { start: BATCH, end: BATCH + 12, kind: 'primary' },
        { start: PROCESS, end: PROCESS + 8, kind: 'second_level' },
        { start: BATCH + 12, end: BATCH + 32, kind: 'primary' },
      ]);
      // nothing of its privilege is left behind, nothing of the process's trust stays
      const hostile = ring(home, jump('privileged', BATCH), own(...globalStore(LOW_START), END), { ggtt });
      expect(hostile).toMatchObject({ code: 'global-select', dword: 0 });
      const outside = { [BATCH]: [...jump('ppgtt', PROCESS, SECOND), ...globalStore(LOW_END), END] };
      const behind = ring(home, jump('privileged', BATCH), own(END), { ggtt: outside });
      expect(behind).toMatchObject({ code: 'address', batch: 0, dword: 3 });
    }
  });
  it("chains from a privileged one to a process's, and comes back to the ring", () => {
    const ggtt = { [BATCH]: [NOOP, ...jump('ppgtt', PROCESS), JUNK] };
    for (const home of ['ppgtt', 'copied'] as const) {
      const result = ring(home, [...jump('privileged', BATCH), NOOP], own(NOOP, END), { ggtt });
      expect(result).toMatchObject({ ok: true, commands: 6, dwords: 10 });
      expect([...result.segments]).toEqual([
        { start: BATCH, end: BATCH + 16, kind: 'primary' },
        { start: PROCESS, end: PROCESS + 8, kind: 'chain' },
      ]);
      expect(result.batches[0]).toMatchObject({ dwords: 4 });
      expect(ring(home, jump('privileged', BATCH), own(...globalStore(LOW_START)), { ggtt }).code).toBe(
        'global-select',
      );
    }
  });
  it("may leave a privileged one for a process's by a predicate", () => {
    const ggtt = { [BATCH]: [...jump('ppgtt', PROCESS, PREDICATED), ...globalStore(LOW_START), END] };
    for (const home of ['ppgtt', 'copied'] as const) {
      const result = ring(home, [...jump('privileged', BATCH), NOOP], own(NOOP, END), { ggtt });
      expect(result).toMatchObject({ ok: true, commands: 7, dwords: 14 });
      expect([...result.segments].at(-1)).toEqual({ start: PROCESS, end: PROCESS + 8, kind: 'chain' });
      const refused = ring(home, jump('privileged', BATCH), own(...globalStore(LOW_START), END), { ggtt });
      expect(refused).toMatchObject({ code: 'global-select', dword: 0, batch: home === 'ppgtt' ? -1 : 1 });
      expect(refused.message).toContain(`batch 0x${PROCESS.toString(16)} dword 0`);
    }
  });
  it("from which a process's batch can not be told in circles", () => {
    const ggtt = { [BATCH]: [...jump('ppgtt', PROCESS, PREDICATED), ...jump('ppgtt', PROCESS), JUNK] };
    const result = ring('ppgtt', jump('privileged', BATCH), own(NOOP, ...jump('ppgtt', PROCESS)), { ggtt });
    expect(result).toMatchObject({ ok: true, loop: true });
    const home = 'copied';
    const circles = ring(home, jump(home, PROCESS), own(NOOP, ...jump(home, PROCESS)));
    expect(circles).toMatchObject({ ok: true, loop: true });
    expect(ring(home, [...jump(home, PROCESS), ...FORBIDDEN], own(NOOP, ...jump(home, PROCESS)))).toMatchObject({
      code: 'refused-command',
      batch: -1,
    });
  });
});

describe('a ring whose batches call others twice', () => {
  it('sees no circle where a second level chains on and returns to another place', () => {
    const call = jump('ppgtt', PROCESS + PAGE, SECOND);
    const memory = {
      [PROCESS]: [...call, ...call, END],
      [PROCESS + PAGE]: jump('ppgtt', PROCESS + 2 * PAGE),
      [PROCESS + 2 * PAGE]: [NOOP, END],
    };
    const result = ring('ppgtt', jump('ppgtt', PROCESS), memory);
    expect(result).toMatchObject({ ok: true, loop: false });
    expect([...result.segments]).toHaveLength(7);
  });
  it('ends a piece behind the jump that closes a circle', () => {
    const result = ring('ppgtt', jump('ppgtt', PROCESS), { [PROCESS]: [NOOP, ...jump('ppgtt', PROCESS)] });
    expect(result).toMatchObject({ ok: true, loop: true });
    expect(pieces(result, PROCESS).map(([from, to]) => [from, to])).toEqual([
      [0, 4],
      [0, 4],
    ]);
  });
  it('names no copy for what is refused in place', () => {
    const ggtt = { [BATCH]: [...jump('ppgtt', PROCESS, SECOND), END] };
    const result = ring('ppgtt', jump('privileged', BATCH), { [PROCESS]: [NOOP, ...FORBIDDEN] }, { ggtt });
    expect(result).toMatchObject({ code: 'refused-command', batch: -1, dword: 1 });
  });
});

describe('a batch in per-process memory that nobody asks to be judged', () => {
  const unseen = (dwords: readonly number[], ggtt = {}) => ring('privileged', dwords, ggtt);
  it('is counted, and the ring goes on behind it', () => {
    expect(unseen([...jump('ppgtt', PROCESS), NOOP])).toMatchObject({ ok: true, unprivilegedBatches: 1, commands: 2 });
    expect(unseen([...jump('ppgtt', PROCESS), ...FORBIDDEN])).toMatchObject({ code: 'refused-command', dword: 3 });
  });
  it('is left for good by a chain, but for a predicated one or a second level', () => {
    const to = (bits = 0) => ({ [BATCH]: [...jump('ppgtt', PROCESS, bits), ...FORBIDDEN, END] });
    expect(unseen(jump('privileged', BATCH), to())).toMatchObject({ ok: true, unprivilegedBatches: 1, dwords: 6 });
    for (const bits of [SECOND, PREDICATED]) {
      expect(unseen(jump('privileged', BATCH), to(bits))).toMatchObject({
        code: 'refused-command',
        batch: 0,
        dword: 3,
      });
    }
  });
  it('needs no address that is stated', () => {
    expect(unseen(jump('ppgtt', PROCESS, 1 << 16)).ok).toBe(true);
    expect(unseen(jump('privileged', BATCH, 1 << 16), { [BATCH]: [END] }).code).toBe('batch-address');
  });
});

describe('a privileged batch', () => {
  const hi = (high: number): number[] => [CMD.MI_BATCH_BUFFER_START | len(3), BATCH, high];
  it('has no address above 4 GiB, by any bit', () => {
    const memory = { [BATCH]: [END] };
    expect(ring('privileged', hi(0), memory).ok).toBe(true);
    for (const high of [1, 0x8000, 0x10000, 0x80000000]) {
      expect(ring('privileged', hi(high), memory)).toMatchObject({
        code: 'address',
        dword: 0,
        gmadr: BATCH + high * 2 ** 32,
      });
    }
  });
  it.each([
    ['before', LOW_START - 4, LOW_START],
    ['behind', LOW_END, LOW_END - 4],
  ])('is not read from the page %s the own ranges', (_where, outside, inside) => {
    const memory = { [outside]: [END], [inside]: [END] };
    expect(ring('privileged', jump('privileged', outside), memory)).toMatchObject({
      code: 'batch-unmapped',
      gmadr: outside,
    });
    expect(ring('privileged', jump('privileged', inside), memory).ok).toBe(true);
  });
  it('does not run on beyond the own ranges', () => {
    const memory = { [LOW_END - 8]: [NOOP, NOOP], [LOW_END]: [END] };
    expect(ring('privileged', jump('privileged', LOW_END - 8), memory)).toMatchObject({
      code: 'batch-unmapped',
      gmadr: LOW_END,
    });
  });
});
