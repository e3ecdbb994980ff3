import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_BUDGET_DWORDS, createScanResult, type ScanInput } from '../../src/cmd-parser/index.js';
import { compileRegisterPolicy, REG_WRITE } from '../../src/cmd-parser/register-policy.js';
import { CMD, type EngineId, PLATFORMS, RCS } from '../../src/hw/index.js';
import { Corpus } from './corpus.js';
import {
  BATCH,
  commandAccess,
  framesOf,
  HIGH_END,
  HIGH_START,
  HWSP,
  LOW_END,
  LOW_START,
  platformNamed,
  SKL,
  scannerFor,
} from './harness.js';
import { type Access, effectsOf } from './slow-checker.js';

const ranges = { lowStart: LOW_START, lowEnd: LOW_END, highStart: HIGH_START, highEnd: HIGH_END };
const open = commandAccess();
/** Haswell's rings write what its processes may. */
const processes = compileRegisterPolicy(platformNamed('HSW'), RCS, 'haswell', open).access;
const seed = Number(process.env.XENGT_TEST_SEED ?? 1);

/** Addresses where a scanner could be wrong: around the ends of the own ranges, and anywhere. */
const address = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(LOW_START, LOW_END, HIGH_START, HIGH_END, BATCH, HWSP, 0, 0x1_0000_0000),
      fc.integer({ min: -80, max: 80 }),
    )
    .map(([base, delta]) => (base + delta) >>> 0),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const high = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(1, 0xffff, 0xffffffff) },
);
const register = fc.oneof(
  fc.constantFrom(
    0x7004,
    0x7014,
    0xb118,
    0x2600,
    0x2358,
    0x2270,
    0x2274,
    0x229c,
    0x2180,
    0x44050,
    0x2030,
    0x22358,
    0x4df4,
    0x4180,
  ),
  fc.integer({ min: 0, max: 0x7ffff }).map((dword) => dword * 4),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const word = fc.oneof(address, high, register);

/** A command with a plausible length, random flag bits and operands from the arbitraries above. */
const command = fc
  .tuple(
    fc.constantFrom(
      CMD.MI_STORE_DATA_IMM,
      CMD.MI_FLUSH_DW,
      CMD.MI_ATOMIC,
      CMD.MI_COPY_MEM_MEM,
      CMD.MI_LOAD_REGISTER_IMM,
      CMD.MI_LOAD_REGISTER_MEM,
      CMD.MI_STORE_REGISTER_MEM,
      CMD.MI_LOAD_REGISTER_REG,
      CMD.MI_SEMAPHORE_WAIT,
      CMD.MI_REPORT_PERF_COUNT,
      CMD.MI_DISPLAY_FLIP,
      CMD.MI_WAIT_FOR_EVENT,
      CMD.MI_BATCH_BUFFER_START,
      CMD.MI_CONDITIONAL_BATCH_BUFFER_END,
      CMD.PIPE_CONTROL,
      CMD.MI_NOOP,
      CMD.MI_USER_INTERRUPT,
    ),
    fc.constantFrom(3, 4, 5, 6, 11),
    fc.subarray([5, 8, 14, 15, 16, 18, 19, 20, 21, 22]),
    fc.array(word, { minLength: 10, maxLength: 10 }),
    fc.subarray([0, 2, 8, 14, 15, 21, 23, 24]),
  )
  .map(([opcode, length, bits, operands, flags]) => {
    if (opcode === CMD.MI_NOOP || opcode === CMD.MI_USER_INTERRUPT || opcode === CMD.MI_WAIT_FOR_EVENT) return [opcode];
    const header = bits.reduce((value, bit) => value | (1 << bit), opcode | (length - 2));
    const body = operands.slice(0, length - 1);
    if (opcode === CMD.PIPE_CONTROL) body[0] = flags.reduce((value, bit) => value | (1 << bit), 0) >>> 0;
    return [(opcode === CMD.PIPE_CONTROL ? opcode | (length - 2) : header) >>> 0, ...body];
  });

function inside({ what, from, bytes }: Access): boolean {
  const end = from + bytes;
  return (
    (from >= BigInt(LOW_START) && end <= BigInt(LOW_END)) ||
    (from >= BigInt(HIGH_START) && end <= BigInt(HIGH_END)) ||
    // only what was an index can have become the status page
    ((what === 'flush' || what === 'pipe control') && from >= BigInt(HWSP) && end <= BigInt(HWSP + 4096))
  );
}

let accepted = 0;

/** Scans a private copy, and holds everything that was accepted against the slow checker. */
function judge(engine: EngineId, dwords: ArrayLike<number>, memory: ScanInput['ggtt'], platform = SKL): void {
  const result = createScanResult();
  const words = Uint32Array.from(dwords);
  const input: ScanInput = {
    engine,
    trust: 'ring',
    words,
    start: 0,
    end: words.length,
    ranges,
    ggtt: memory,
    hwspPage: HWSP,
  };
  const patched = new Set<number>();
  input.onRegisterWrite = (offset) => {
    patched.add(offset);
    return 0;
  };
  const ok = scannerFor(platform).scan(input, result);
  expect(result.dwords).toBeLessThanOrEqual(words.length + BATCH_BUDGET_DWORDS);
  if (!ok) {
    expect(result.message).toContain(`[${result.code}]`);
    expect(result.message).not.toContain('\n');
    return;
  }
  accepted++;
  const buffers = [
    { words, end: words.length },
    ...result.batches.map((batch) => ({ words: batch.words, end: batch.dwords })),
  ];
  for (const buffer of buffers) {
    const effects = effectsOf(buffer.words, 0, buffer.end, engine);
    for (const access of effects.accesses)
      expect([access.what, access.from, inside(access)]).toEqual([access.what, access.from, true]);
    for (const offset of [...effects.registers, ...effects.reads]) {
      const allowed =
        offset === 0x78000 ||
        open[offset / 4] !== 0 ||
        (platform.gen === 7 && (processes[offset / 4]! & REG_WRITE) !== 0) ||
        (offset >= 0x2600 && offset < 0x2680) ||
        offset === 0x23a8;
      expect([offset, allowed]).toEqual([offset, true]);
      expect(offset >= 0x2270 && offset < 0x2290).toBe(false);
    }
    for (const offset of effects.registers) expect([0x2358, 0x235c, 0x23a8, 0x2180]).not.toContain(offset);
  }
}

const nowhere = framesOf({});

describe('no stream, however made,', () => {
  it('of plausible commands with hostile operands gets beyond the own ranges', () => {
    accepted = 0;
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), (commands) =>
        judge(RCS, commands.flat(), nowhere),
      ),
      { numRuns: 8000, seed },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('in privileged batches that start and chain one another gets beyond the own ranges', () => {
    accepted = 0;
    const batch = fc
      .tuple(
        fc.array(command, { maxLength: 3 }),
        fc.option(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom(0, 1 << 22))),
      )
      .map(([body, jump]) => [
        ...body.flat(),
        ...(jump === null ? [] : [CMD.MI_BATCH_BUFFER_START | jump[1] | 1, BATCH + 4096 * jump[0], 0]),
        CMD.MI_BATCH_BUFFER_END,
      ]);
    fc.assert(
      fc.property(batch, batch, batch, (a, b, c) => {
        const memory = framesOf({ [BATCH]: a, [BATCH + 4096]: b, [BATCH + 8192]: c });
        judge(RCS, [CMD.MI_BATCH_BUFFER_START | 1, BATCH, 0, CMD.MI_NOOP], memory);
      }),
      { numRuns: 4000, seed },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('mutated from what real drivers submit gets beyond the own ranges', () => {
    accepted = 0;
    const corpus = new Corpus();
    const pieces = corpus.streams
      .filter((stream) => stream.walk === 'static')
      .map((stream) => {
        const [start, end] = stream.segments[0]!;
        const words = corpus.wordsFrom(stream, start).subarray(0, Math.min(400, (end - start) / 4));
        return { stream, words };
      });
    const mutation = fc.tuple(
      fc.nat(399),
      fc.oneof(
        word,
        command.map(([header]) => header!),
      ),
    );
    fc.assert(
      fc.property(fc.nat(pieces.length - 1), fc.array(mutation, { maxLength: 4 }), (which, mutations) => {
        const { stream, words } = pieces[which]!;
        const copy = Uint32Array.from(words);
        // the end is not part of a ring; what a batch had there runs on as nothing
        for (let i = 0; i < copy.length; i++) if (copy[i] === CMD.MI_BATCH_BUFFER_END) copy[i] = CMD.MI_NOOP;
        for (const [at, value] of mutations) copy[at % copy.length] = value >>> 0;
        const platform = PLATFORMS.find((row) => row === stream.platform)!;
        if (stream.engine === RCS) judge(RCS, copy, nowhere, platform);
        else judgeOther(stream.engine, copy, platform);
      }),
      { numRuns: 4000, seed },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('of random dwords is more than refused', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength: 40 }), (dwords) =>
        judge(RCS, dwords, nowhere),
      ),
      { numRuns: 4000, seed },
    );
  });
});

/** Engines but the render engine: memory effects alone (their registers have tests of their own). */
function judgeOther(engine: EngineId, dwords: Uint32Array, platform: (typeof PLATFORMS)[number]): void {
  const result = createScanResult();
  const words = Uint32Array.from(dwords);
  const input: ScanInput = {
    engine,
    trust: 'ring',
    words,
    start: 0,
    end: words.length,
    ranges,
    ggtt: nowhere,
    hwspPage: HWSP,
  };
  if (!scannerFor(platform).scan(input, result)) return;
  accepted++;
  for (const access of effectsOf(words, 0, words.length, engine).accesses) expect(inside(access)).toBe(true);
}
