/** The oracles can fail: each is shown what it must notice, by executing or reading streams that nobody judged. */
import { describe, expect, it } from 'vitest';
import type { FuzzCase } from '../../fuzz/case.js';
import { harmIn, type Reading } from '../../fuzz/effects.js';
import { layoutOf } from '../../fuzz/generate.js';
import { Judge, type ScannerFace } from '../../fuzz/judge.js';
import { Materials } from '../../fuzz/material.js';
import { type Ending, Rig } from '../../fuzz/rig.js';
import { isOwn } from '../../fuzz/surroundings.js';
import { World } from '../../fuzz/world.js';
import { createScanResult, type ScanResult } from '../../src/cmd-parser/index.js';
import { BCS, CMD, type EngineId, PLATFORMS, RCS } from '../../src/hw/index.js';
import { batchOf, caseOf, SKL } from './cases.js';

const layout = layoutOf(PLATFORMS.indexOf(SKL));
const world = new World();
const rig = new Rig(world, SKL, layout);
const GGTT = 1 << 22;
const PPGTT = 1 << 8;
const OWN = layout.ranges.lowStart;
const FOREIGN = layout.ranges.lowEnd;
const END = CMD.MI_BATCH_BUFFER_END;
const store = (address: number, bits = GGTT): number[] => [CMD.MI_STORE_DATA_IMM | bits | 2, address, 0, 7];
const load = (register: number, value: number): number[] => [CMD.MI_LOAD_REGISTER_IMM | 1, register, value];
const start = (address: number, bits = 0): number[] => [CMD.MI_BATCH_BUFFER_START | bits | 1, address, 0];

/** Executes a stream as if it had been accepted as it is. */
function execute(fuzzCase: FuzzCase, result: ScanResult = createScanResult()): [Ending, string | undefined] {
  world.load(fuzzCase);
  return [rig.execute(fuzzCase, fuzzCase.words, result), rig.escape?.kind];
}

describe('a stream that is executed', () => {
  it('and keeps to itself is nothing to report', () => {
    expect(execute(caseOf([...store(OWN + 64), ...load(0x2600, 1), ...store(0x123000, 0)]))).toEqual([
      'done',
      undefined,
    ]);
    expect(rig.commands).toBe(4);
    expect(world.ram[16]).toBe(7);
  });

  it.each<[string, FuzzCase]>([
    ['a store behind the own range', caseOf(store(FOREIGN))],
    ['a store that begins in the own range', caseOf([CMD.MI_STORE_DATA_IMM | GGTT | 3, FOREIGN - 4, 0, 1, 2])],
    ['a copy from elsewhere', caseOf([CMD.MI_COPY_MEM_MEM | (1 << 22) | 3, 0x1000, 0, FOREIGN, 0])],
    ['a flush that writes elsewhere', caseOf([CMD.MI_FLUSH_DW | (1 << 14) | 3, FOREIGN | 4, 0, 1, 2])],
    ['a semaphore elsewhere', caseOf([CMD.MI_SEMAPHORE_WAIT | GGTT | (4 << 12) | 2, 0, FOREIGN, 0])],
    ['a batch elsewhere', caseOf(start(FOREIGN))],
  ])('is reported for %s', (_what, fuzzCase) => {
    expect(execute(fuzzCase)).toEqual(['escape', 'violation']);
    expect(world.neighbour.every((word) => word === world.neighbour[0])).toBe(true);
  });

  it.each<[string, number[], EngineId?]>([
    ['a reset of all engines', load(0x941c, 1)],
    ['a submission', load(0x2230, 1)],
    ["another engine's register", load(0x22600, 1)],
    ['the render state, from the blitter', load(0x7004, 1), BCS],
    ['a page-table root of its own', load(0x2270, 0x1000)],
    ['a mode that nobody sanctioned', load(0x229c, 0x80008000)],
    ['an interrupt mask', load(0x44304, 0)],
    ['a register by way of memory', [CMD.MI_LOAD_REGISTER_MEM | GGTT | 2, 0x2080, OWN, 0]],
    ['a register by way of another', [CMD.MI_LOAD_REGISTER_REG | 1, 0x2600, 0x2038]],
    ['a register after a flush', [CMD.PIPE_CONTROL | 4, 1 << 23, 0x2080, 0, 5, 0]],
  ])('is reported for setting %s', (_what, words, engine = RCS) => {
    expect(execute(caseOf(words, { engine }))).toEqual(['escape', 'register-write']);
    expect(rig.changedRegisters()).toEqual([]);
  });

  it.each([0x2270, 0x2038, 0x22600, 0x44308])('is reported for reading register %i', (register) => {
    const words = [CMD.MI_STORE_REGISTER_MEM | GGTT | 2, register, OWN, 0];
    expect(execute(caseOf(words))).toEqual(['escape', 'register-read']);
  });

  it('is reported for writing into what is being executed, or into its context', () => {
    const { mediator } = layout;
    expect(execute(caseOf(store(mediator + 0x10000)))).toEqual(['escape', 'canary']);
    expect(execute(caseOf(store(mediator + 0x1000 + 0x200)))).toEqual(['escape', 'canary']);
    const words = Uint32Array.from([...store(mediator + 0x100000), END]);
    const result = createScanResult();
    const patchAt = [{ batch: -1, dword: 1, wide: true }];
    result.batches.push({ words, dwords: words.length, sourceGmadr: OWN, perProcess: false, level: 1, patchAt });
    expect(execute(caseOf(start(OWN)), result)).toEqual(['escape', 'canary']);
  });

  it('is reported for running into what is no command, with privilege', () => {
    expect(execute(caseOf([0xffff0000]))).toEqual(['escape', 'hang']);
    expect(execute(caseOf([CMD.MI_STORE_DATA_IMM | 20]))).toEqual(['escape', 'hang']);
    const words = Uint32Array.from([CMD.MI_NOOP]);
    const result = createScanResult();
    result.batches.push({ words, dwords: 1, sourceGmadr: OWN, perProcess: false, level: 1, patchAt: [] });
    expect(execute(batchOf([]), result)).toEqual(['escape', 'hang']);
  });

  it('is reported for never ending, with privilege', () => {
    const loop = caseOf(start(OWN), { pieces: [{ at: 0, words: Uint32Array.from(start(OWN)) }] });
    expect(execute(loop)).toEqual(['escape', 'endless']);
  });

  it('may hang, wait or run for ever without privilege', () => {
    const loop = caseOf(start(0, PPGTT), { pieces: [{ at: 0, words: Uint32Array.from(start(0, PPGTT)) }] });
    expect(execute(loop)).toEqual(['own-hang', undefined]);
    const unknown = caseOf(start(0, PPGTT), { pieces: [{ at: 0, words: Uint32Array.of(0xffff0000) }] });
    expect(execute(unknown)).toEqual(['own-hang', undefined]);
    expect(execute(caseOf([CMD.MI_SEMAPHORE_WAIT | (4 << 12) | 2, 1, 0x1000, 0]))).toEqual(['waits', undefined]);
  });

  it('is asked about in a workaround buffer too, wherever it runs', () => {
    for (const wa of ['indirect', 'per-context'] as const) {
      const fuzzCase = caseOf([...store(FOREIGN), END], { trust: 'wa', wa });
      expect(execute(fuzzCase)).toEqual(['escape', 'violation']);
      expect(execute(caseOf([...store(OWN), END], { trust: 'wa', wa }))).toEqual(['done', undefined]);
      expect(world.ram[0]).toBe(7);
    }
  });

  it('says what code without privilege asked for', () => {
    const ppgtt = (words: number[]): FuzzCase => batchOf([...words, END], { trust: 'ppgtt' });
    expect([execute(ppgtt(load(0x2600, 1)))[0], rig.attempt]).toEqual(['done', null]);
    expect([execute(ppgtt(load(0x22600, 1)))[0], rig.attempt?.kind]).toEqual(['done', 'unprivileged-write']);
    expect([execute(ppgtt(store(OWN)))[0], rig.attempt?.kind]).toEqual(['done', 'unprivileged-global']);
  });
});

describe('a stream that is read', () => {
  const read = (words: readonly number[], more: Partial<Reading> = {}): string | undefined =>
    harmIn({
      words: Uint32Array.from(words),
      end: words.length,
      engine: RCS,
      level: 0,
      wa: false,
      gen: 9,
      perProcess: false,
      placesAll: false,
      registers: null,
      owns: (from, bytes) => isOwn(layout.ranges, from, bytes),
      isPlaced: () => false,
      ...more,
    })?.kind;

  it.each<[string, number[], string | undefined, Partial<Reading>?]>([
    ['an own access', store(OWN), undefined],
    ['an access that begins before the own range', store(OWN - 4), 'access'],
    ['an access of which the last byte is outside', [CMD.MI_STORE_DATA_IMM | GGTT | 3, FOREIGN - 4, 0, 1, 2], 'access'],
    ['an access above 4 GiB', [CMD.MI_STORE_DATA_IMM | GGTT | 2, OWN, 1, 7], 'access'],
    ['an access that each core offsets', store(FOREIGN - 4 + 1), 'access'],
    ['a report at the end', [CMD.MI_REPORT_PERF_COUNT | 2, FOREIGN - 64 + 1, 0, 0], 'access'],
    ['a 16-byte atomic', [CMD.MI_ATOMIC | GGTT | (2 << 19) | 1, FOREIGN - 8, 0], 'access'],
    ['page tables', [CMD.MI_UPDATE_GTT | 1, 0, 0], 'command'],
    ['a context switch', [CMD.MI_SET_CONTEXT, 0], 'command'],
    ['an index that stayed', [CMD.MI_FLUSH_DW | (1 << 21) | (1 << 14) | 3, 0, 0, 0, 0], 'command'],
    ['a flip', [CMD.MI_DISPLAY_FLIP | 1, 0, 0], 'command'],
    ['a wait for the display', [CMD.MI_WAIT_FOR_EVENT], 'command'],
    ['a jump to what was not scanned', start(OWN), 'command'],
    ['a jump to a copy', start(OWN), undefined, { isPlaced: (dword) => dword === 1 }],
    ['a jump to a process', start(OWN, PPGTT), undefined],
    ['a jump to a process, all of which must be copied', start(OWN, PPGTT), 'command', { placesAll: true }],
    ['a jump from a workaround buffer', start(OWN, PPGTT), 'command', { wa: true }],
    ['half a pair', [CMD.MI_LOAD_REGISTER_IMM, 0x2600], 'walk'],
    ['a command that is cut off', [CMD.MI_STORE_DATA_IMM | 2, OWN, 0], 'walk'],
    ['no command', [0x20000000], 'walk'],
    ['a batch without an end', [CMD.MI_NOOP], 'walk', { level: 1 }],
    ['a batch with more than its end', [END, CMD.MI_NOOP], 'walk', { level: 1 }],
    ['a batch whose end may be skipped', [CMD.MI_SET_PREDICATE | 1, END], 'command', { level: 1 }],
    ['a second-level batch that nests', [...start(OWN, GGTT), END], 'command', { level: 2, isPlaced: () => true }],
  ])('is judged rightly with %s', (_what, words, kind, more) => {
    expect(read(words, more)).toBe(kind);
  });
});

describe('the judge', () => {
  const materials = new Materials(false);
  const judgeOf = (face: ScannerFace): Judge => {
    const faces = PLATFORMS.map(() => face);
    return new Judge(faces, faces);
  };
  const answer = (change: (result: ScanResult) => void): ScannerFace => {
    const any = (_input: unknown, result: ScanResult): boolean => {
      Object.assign(result, createScanResult());
      change(result);
      return result.ok;
    };
    return { scan: any, scanBatch: any };
  };
  const hostile = caseOf(store(FOREIGN));

  it('of a scanner that accepts everything reports what the real one refuses', () => {
    const credulous = judgeOf(answer((result) => (result.ok = true)));
    const real = new Judge(materials.scanners, materials.otherScanners);
    for (const words of [store(FOREIGN), load(0x941c, 1), [0xffff0000], start(FOREIGN)]) {
      expect(real.judge(caseOf(words))).toMatchObject({ accepted: false, finding: null });
      expect(credulous.judge(caseOf(words))).toMatchObject({ accepted: true, ending: 'escape' });
      expect(credulous.judge(caseOf(words)).finding).not.toBeNull();
    }
  });

  it('reports a scanner that throws, answers malformed, or changes its mind', () => {
    const thrower = answer(() => {
      throw new RangeError('out of range');
    });
    expect(judgeOf(thrower).judge(hostile).finding).toMatchObject({ kind: 'throw' });
    expect(judgeOf(answer((result) => (result.code = 'length'))).judge(hostile).finding?.kind).toBe('malformed');
    expect(judgeOf(answer((result) => (result.dwords = -1))).judge(hostile).finding?.kind).toBe('malformed');
    let calls = 0;
    const fickle = answer((result) => {
      result.code = calls++ === 0 ? 'length' : 'address';
      result.message = `[${result.code}]`;
    });
    expect(judgeOf(fickle).judge(hostile).finding?.kind).toBe('again');
  });

  it('reports a scanner that remembers a verdict on other dwords', () => {
    const [scanner, other] = [materials.scanners, materials.otherScanners];
    const honest = batchOf([...store(OWN + 0x4000), END], { address: OWN, warm: [3, 1] });
    expect(new Judge(scanner, other).judge(honest)).toMatchObject({ accepted: true, finding: null });
    // One that never looks whether what it remembers is still so.
    const forgetful = scanner.map((real): ScannerFace => {
      const kept = createScanResult();
      const scanBatch: ScannerFace['scanBatch'] = (input, result) => {
        if (kept.batches.length === 0) {
          real.scanBatch(input, kept);
          kept.batches = kept.batches.map((batch) => ({ ...batch, words: batch.words.slice() }));
        }
        Object.assign(result, kept, { batches: [...kept.batches] });
        return result.ok;
      };
      return { scan: (input, result) => real.scan(input, result), scanBatch };
    });
    expect(new Judge(forgetful, other).judge(honest).finding).toMatchObject({ kind: 'again' });
  });

  it('reports a scanner that goes on for too long', () => {
    const tireless = answer((result) => {
      result.ok = true;
      result.commands = 2 ** 30;
    });
    expect(judgeOf(tireless).judge(hostile).finding?.kind).toBe('budget');
  });
});
