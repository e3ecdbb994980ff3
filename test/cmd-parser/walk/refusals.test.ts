/** What a refusal says of how far the walk came, and where. */
import { describe, expect, it } from 'vitest';
import { VerdictCache } from '../../../src/cmd-parser/index.js';
import { BCS, CMD } from '../../../src/hw/index.js';
import { BATCH, framesOf, LOW_END } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  HOMES,
  JUNK,
  jump,
  jumpSize,
  len,
  NOOP,
  noops,
  PAGE,
  PREDICATED,
  pieces,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

const PAGE_DWORDS = 1024;

describe.each(HOMES)('%s: a batch that is not there', (home) => {
  const base = baseOf(home);
  const size = jumpSize(home);
  it('leaves the ring counted up to its start', () => {
    const result = ring(home, [NOOP, ...jump(home, base), NOOP], {});
    expect(result).toMatchObject({ code: 'batch-unmapped', commands: 1, dwords: 1 + size, dword: 1, loop: false });
    expect([...result.segments]).toEqual([]);
  });
  it('leaves the ring counted up to its second start, behind one that returned', () => {
    const dwords = [NOOP, ...jump(home, base), NOOP, NOOP, ...jump(home, base + PAGE), NOOP];
    const result = ring(home, dwords, { [base]: [NOOP, NOOP, NOOP, END] });
    expect(result).toMatchObject({ code: 'batch-unmapped', commands: 8, dwords: 1 + size + 4 + 2 + size, batch: -1 });
    expect(result.message).toContain(`RCS ring dword ${3 + size}: MI_BATCH_BUFFER_START`);
    expect(pieces(result, base)).toEqual([[0, 4, 'primary']]);
  });
  it.each([0, SECOND])('leaves the batch that starts it counted up to there, with bits %i', (bits) => {
    const result = run(home, { [base]: [NOOP, ...jump(home, base + 3 * PAGE, bits), NOOP] });
    expect(result).toMatchObject({ code: 'batch-unmapped', commands: 1, dwords: 1 + size, dword: 1 });
    expect(pieces(result, base)).toEqual([[0, 1 + size, 'primary']]);
    expect(result.message).toContain(`batch 0x${base.toString(16)} dword 1: MI_BATCH_BUFFER_START`);
  });
  it('that a predicate leads to is found missing when all before it is counted', () => {
    const result = run(home, { [base]: [NOOP, ...jump(home, base + PAGE, PREDICATED), END] });
    expect(result).toMatchObject({ code: 'batch-unmapped', gmadr: base + PAGE, dwords: 2 + size, dword: 0 });
    expect(result.message).toContain(`RCS batch 0x${(base + PAGE).toString(16)} dword 0: unknown (0xffffffff)`);
  });
});

describe('who is named', () => {
  it('no command, where there is none, and none of the scan before', () => {
    expect(ring('privileged', [...FORBIDDEN], {}).command).toBe('MI_CLFLUSH');
    const beyond = ring('privileged', [NOOP], {}, { end: 2 });
    expect(beyond.message).toContain('RCS ring dword 0: unknown (0xffffffff)');
    expect(ring('privileged', [...FORBIDDEN], {}).command).toBe('MI_CLFLUSH');
    const missing = run('ppgtt', {});
    expect(missing).toMatchObject({ code: 'batch-unmapped', command: 'unknown', dword: 0 });
    expect(missing.message).toContain(`batch 0x${PROCESS.toString(16)} dword 0: unknown (0xffffffff)`);
  });
  it.each(COPIED)('%s: the batch that the ring stores into, and not the ring', (home) => {
    const base = baseOf(home);
    const dwords = [...store(home, base + 4, JUNK), ...jump(home, base), NOOP];
    const { message } = ring(home, dwords, { [base]: [NOOP, CMD.MI_USER_INTERRUPT, END] });
    expect(message).toContain(`RCS batch 0x${base.toString(16)} dword 1: MI_USER_INTERRUPT`);
  });
  it('the batch whose jump closes a circle, behind the ring that started it', () => {
    const { message } = ring('privileged', [...jump('privileged', BATCH), NOOP, NOOP], {
      [BATCH]: [NOOP, NOOP, ...jump('privileged', BATCH)],
    });
    expect(message).toContain(`RCS batch 0x${BATCH.toString(16)} dword 2: MI_BATCH_BUFFER_START`);
  });
  it('the batch in place that was entered last', () => {
    const next = PROCESS + PAGE;
    const chained = run('ppgtt', { [PROCESS]: [NOOP, ...jump('ppgtt', next)], [next]: [NOOP, NOOP, ...FORBIDDEN] });
    expect(chained.message).toContain(`batch 0x${next.toString(16)} dword 2: MI_CLFLUSH`);
    const from = ring('ppgtt', [NOOP, ...jump('ppgtt', next)], { [next]: [NOOP, ...FORBIDDEN] });
    expect(from.message).toContain(`batch 0x${next.toString(16)} dword 1: MI_CLFLUSH`);
  });
});

describe('a batch that was refused', () => {
  it.each(COPIED)('%s: has no dwords that may run', (home) => {
    const base = baseOf(home);
    const result = run(home, { [base]: [NOOP, NOOP, ...FORBIDDEN, END] });
    expect(result.batches.map(({ dwords }) => dwords)).toEqual([0]);
    const second = run(home, {
      [base]: [NOOP, ...jump(home, base + PAGE, SECOND), END],
      [base + PAGE]: [...FORBIDDEN],
    });
    expect(second.batches.map(({ dwords }) => dwords)).toEqual([1 + jumpSize(home), 0]);
  });
  it('above the global GTT is not mapped, whatever lies at the same place of it', () => {
    const high = BATCH + 2 ** 32;
    expect(run('privileged', { [high]: [END], [BATCH]: [END] }, { address: high })).toMatchObject({
      code: 'batch-unmapped',
      gmadr: high,
    });
    expect(
      run('privileged', { [LOW_END - PAGE]: noops(PAGE_DWORDS), [LOW_END]: [END] }, { address: LOW_END - PAGE }).gmadr,
    ).toBe(LOW_END);
  });
});

describe('a survey of a batch that stores into itself', () => {
  it.each(['copied', 'haswell', 'privileged'] as const)('%s: ends with the batch', (home) => {
    const base = baseOf(home);
    const body = [...store(home, base, JUNK), NOOP, END];
    const result = run(home, { [base]: [...body, JUNK, ...noops(20)] }, { survey: true });
    expect(result).toMatchObject({ code: 'self-modifying', dword: 0, commands: 3, dwords: body.length });
    expect(result.batches.map(({ dwords }) => dwords)).toEqual([body.length]);
    // nothing behind its end is left to run, nor behind that of the next batch
    const both = {
      [base]: [...store(home, base + 4, JUNK), ...jump(home, base + PAGE), JUNK],
      [base + PAGE]: [NOOP, END, JUNK],
    };
    const two = run(home, both, { survey: true });
    expect(two).toMatchObject({ code: 'self-modifying', batch: 0, dword: 1, commands: 4 });
    expect(two.batches[1]!.words[2]).toBe(0);
  });
});

describe('addresses from 0', () => {
  it.each(['copied', 'haswell'] as const)('%s: a batch there is one like others', (home) => {
    const size = store(home, 0, 0).length;
    const into = (...at: number[]) => ({ 0: [...at.flatMap((one) => store(home, one, JUNK)), NOOP, END] });
    expect(run(home, into(0), { address: 0 })).toMatchObject({ code: 'self-modifying', dword: 0, gmadr: 0 });
    expect(run(home, into(8, 0), { address: 0 })).toMatchObject({ code: 'self-modifying', dword: 0, gmadr: 0 });
    expect(run(home, into(0, 8), { address: 0 })).toMatchObject({ code: 'self-modifying', dword: 0, gmadr: 0 });
    expect(run(home, into(4 * (size + 2)), { address: 0 }).ok).toBe(true);
    expect(run(home, { 0: [NOOP, END] }, { address: 0 })).toMatchObject({ ok: true, dwords: 2 });
  });
  it.each(['copied', 'haswell'] as const)('%s: a verdict that is used again knows its stores there', (home) => {
    const base = baseOf(home);
    for (const order of [
      [0, 4],
      [4, 0],
    ]) {
      const cache = new VerdictCache();
      const body = { [base]: [...order.flatMap((at) => store(home, at, JUNK)), END], 0: [NOOP, NOOP, END] };
      for (let i = 0; i < 2; i++) expect(ring(home, jump(home, base), body, { cache }).ok).toBe(true);
      const dwords = [...jump(home, base), ...jump(home, 0)];
      expect(ring(home, dwords, body, { cache })).toMatchObject({
        code: 'self-modifying',
        batch: 1,
        dword: 0,
        gmadr: 0,
      });
      expect(cache.hits).toBe(1);
    }
  });
  it('a batch in place there is changed by what it stores', () => {
    const harmless = CMD.MI_CLFLUSH | len(4);
    expect(run('ppgtt', { 0: [...store('ppgtt', 16, harmless), ...FORBIDDEN, END] }, { address: 0 }).ok).toBe(true);
  });
});

describe('jumps in place', () => {
  it('from pages that lie anywhere in memory are told apart', () => {
    // the same dword of two pages that are as far apart for the guest as they are in memory, twice
    const [first, second, target] = [PROCESS, PROCESS + 2 * PAGE, PROCESS + 3 * PAGE];
    const memory = framesOf({
      [first]: [...jump('ppgtt', target, PREDICATED), ...jump('ppgtt', second)],
      [second]: [...jump('ppgtt', target), JUNK],
      [target]: [END],
    });
    expect([first, second, target].map((at) => memory.locate(at / PAGE))).toEqual([0, 1024, 2048]);
    expect(run('ppgtt', memory)).toMatchObject({ ok: true, loop: false, commands: 5 });
  });
  it.each([
    [2, 1],
    [15, 16],
    [1, -4],
    [1, 4],
    [3, 1],
    [5, 4],
  ])('from pages %i apart for the guest and %i in memory are told apart', (pages, there) => {
    const [second, target] = [PROCESS + pages * PAGE, PROCESS + 40 * PAGE];
    const words = new Uint32Array(32 * PAGE_DWORDS);
    const places = new Map([
      [PROCESS, 8],
      [second, 8 + there],
      [target, 30],
    ]);
    const put = (address: number, dwords: readonly number[]) => words.set(dwords, places.get(address)! * PAGE_DWORDS);
    put(PROCESS, [...jump('ppgtt', target, PREDICATED), ...jump('ppgtt', second)]);
    put(second, [...jump('ppgtt', target), JUNK]);
    put(target, [END]);
    const locate = (page: number): number => (places.get(page * PAGE) ?? -1) * PAGE_DWORDS;
    expect(run('ppgtt', { words, locate })).toMatchObject({ ok: true, loop: false, commands: 5 });
  });
  it('spend pages by commands that lie across them, not by their dwords', () => {
    // each of these would take a thousand pages, were each of its dwords one
    const command = store('ppgtt', PROCESS + 0x100_0000, ...new Array<number>(1000).fill(0));
    const body = Array.from({ length: 6 }, () => [...command, ...noops(PAGE_DWORDS - command.length)]).flat();
    const memory = { [PROCESS]: [...noops(600), ...body, END] };
    expect(run('ppgtt', memory, { engine: BCS })).toMatchObject({ ok: true, dwords: 600 + body.length + 1 });
  });
});

describe('versions of pages', () => {
  it('are asked for where a verdict is recorded, and not before', () => {
    const asked: number[] = [];
    const cache = new VerdictCache({
      versionOf: (page) => {
        asked.push(page);
        return 1;
      },
    });
    const memory = { [BATCH]: [NOOP, END] };
    ring('privileged', jump('privileged', BATCH), memory, { cache });
    expect(asked).toEqual([]);
    ring('privileged', jump('privileged', BATCH), memory, { cache });
    expect(asked).toEqual([BATCH / PAGE]);
  });
});
