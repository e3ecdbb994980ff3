/** Stores of batches in place: where they go, what they cost, and who is named where they lead to nothing. */
import { describe, expect, it } from 'vitest';
import { TRACE_BUDGET_PAGES } from '../../../src/cmd-parser/index.js';
import { BCS, CMD } from '../../../src/hw/index.js';
import { BATCH } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  END,
  FORBIDDEN,
  GLOBAL,
  JUNK,
  jump,
  len,
  NOOP,
  noops,
  PAGE,
  PPGTT,
  pieces,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

const put = (address: number, ...data: number[]): number[] => store('ppgtt', address, ...data);

it('stores beside the page that runs spend none of the pages that may be walked', () => {
  for (const address of [PROCESS - PAGE, PROCESS + 64 * PAGE]) {
    const count = TRACE_BUDGET_PAGES + 100;
    const body = Array.from({ length: count }, (_, i) => put(address + 4 * (i % 1024), i)).flat();
    expect(run('ppgtt', { [PROCESS]: [...body, END] })).toMatchObject({ ok: true, commands: count + 1 });
  }
});

it('stores into the page that runs spend one of the pages that may be walked, and no more', () => {
  // each page is full of stores into its last dword
  const pages = Math.ceil(TRACE_BUDGET_PAGES / 255) + 1;
  const page = (number: number) => [
    ...Array.from({ length: 255 }, () => put(PROCESS + number * PAGE + 4092, NOOP)).flat(),
    ...noops(4),
  ];
  const body = Array.from({ length: pages }, (_, number) => page(number)).flat();
  expect(run('ppgtt', { [PROCESS]: [...body, END] })).toMatchObject({ ok: true, commands: pages * 259 + 1 });
});

it('a store into global memory changes nothing of the process, in a survey that goes on behind it', () => {
  const global = [CMD.MI_STORE_DATA_IMM | GLOBAL | len(4), PROCESS + 4 * 20, 0, JUNK];
  const body = [...put(PROCESS + 4 * 900, NOOP), ...global, ...noops(30), END];
  expect(run('ppgtt', { [PROCESS]: body }, { survey: true })).toMatchObject({
    code: 'global-select',
    dword: 4,
    commands: 33,
    dwords: body.length,
  });
});

it('a store reaches the batch wherever it lies, and bits 63:48 of the address are its sign', () => {
  for (const high of [0, 1, 0x10, 0x7fff]) {
    for (const low of [0x1234_5000, 0x9234_5000]) {
      const address = low + high * 0x100000000;
      for (const sign of [0, 0xffff0000]) {
        const body = [...put(address + 4 * 6, JUNK), ...noops(4), END];
        body[2] = (body[2]! | sign) >>> 0;
        expect(run('ppgtt', { [address]: body }, { address })).toMatchObject({ code: 'unknown-command', dword: 6 });
      }
    }
  }
});

it('a store at the end of a page into the next one, which is not there, is named', () => {
  const body = [...noops(1020), ...put(PROCESS + PAGE, NOOP)];
  expect(run('ppgtt', { [PROCESS]: body })).toMatchObject({
    code: 'batch-unmapped',
    command: 'MI_STORE_DATA_IMM',
    dword: 1020,
    gmadr: PROCESS + PAGE,
  });
});

it('a store changes its dwords and not the one behind them, near and across the ends of a page', () => {
  for (const first of [20, 1019, 1020, 1021, 1022, 1023, 1024, 1025]) {
    for (const count of [1, 2, 3, 4]) {
      // a harmless store before it makes the page one that was stored into
      const stores = [
        ...put(PROCESS + 4 * 1500, 0),
        ...put(PROCESS + first * 4, ...new Array<number>(count).fill(NOOP)),
      ];
      const dwords = [...stores, ...noops(first - stores.length), ...new Array<number>(count).fill(JUNK), END];
      expect([first, count, run('ppgtt', { [PROCESS]: dwords }, { engine: BCS }).ok]).toEqual([first, count, true]);
      const more = [...dwords.slice(0, -1), JUNK, END];
      expect(run('ppgtt', { [PROCESS]: more }, { engine: BCS })).toMatchObject({
        code: 'unknown-command',
        dword: first + count,
      });
      const before = [...dwords];
      before[first - 1] = JUNK;
      if (first - 1 >= stores.length) {
        expect(run('ppgtt', { [PROCESS]: before }, { engine: BCS })).toMatchObject({
          code: 'unknown-command',
          dword: first - 1,
        });
      }
    }
  }
});

describe('a batch in place that runs again', () => {
  const [called, header] = [PROCESS + PAGE, FORBIDDEN[0]!];
  const call = jump('ppgtt', called, SECOND);
  const start = jump('ppgtt', PROCESS);
  const second = { [called]: [NOOP, END] };
  it('because the ring starts it twice is no circle, and is walked twice', () => {
    const chained = { [called]: [NOOP, ...jump('ppgtt', called + PAGE)], [called + PAGE]: [NOOP, END] };
    for (const rest of [second, chained]) {
      const memory = { [PROCESS]: [...call, ...call, NOOP, END], ...rest };
      const once = ring('ppgtt', start, memory);
      const twice = ring('ppgtt', [...start, NOOP, ...start], memory);
      expect(twice).toMatchObject({ ok: true, loop: false, commands: 2 * once.commands + 1 });
      expect(pieces(twice, PROCESS)).toEqual([...pieces(once, PROCESS), ...pieces(once, PROCESS)]);
    }
  });
  it('is judged as it is then, behind a call that it did before', () => {
    // the dword behind the call is made a command that may not run
    const memory = { [PROCESS]: [...call, NOOP, 0, 0, 0, END], ...second };
    const bad = put(PROCESS + 4 * call.length, header);
    expect(ring('ppgtt', [...start, ...start], memory).ok).toBe(true);
    expect(ring('ppgtt', [...start, ...bad, ...start], memory)).toMatchObject({ code: 'refused-command', dword: 3 });
    expect(ring('ppgtt', [...start, ...bad], memory).ok).toBe(true);
  });
  it('in a circle is judged as it is then, too', () => {
    const circle = (value: number) => ({
      [PROCESS]: [...call, NOOP, 0, 0, 0, ...put(PROCESS + 4 * call.length, value), ...start],
      ...second,
    });
    expect(run('ppgtt', circle(NOOP))).toMatchObject({ ok: true, loop: true });
    expect(run('ppgtt', circle(header))).toMatchObject({ code: 'refused-command', dword: 3 });
  });
  it('in a circle that changes with every turn ends with its budget', () => {
    const at = PROCESS + 0x10_0000;
    const turning = { [PROCESS]: [...put(at, 1), ...put(at, 2), ...start] };
    expect(run('ppgtt', turning)).toMatchObject({ code: 'batch-budget' });
    const still = { [PROCESS]: [...put(at, 1), ...put(at + 4, 2), ...start] };
    expect(run('ppgtt', still)).toMatchObject({ ok: true, loop: true });
    const both = { [PROCESS]: [...put(at, 1, 2), ...put(at, 1), ...put(at + 4, 2), ...start] };
    expect(run('ppgtt', both, { engine: BCS })).toMatchObject({ ok: true, loop: true });
  });
});

describe('a store whose address has its lowest bits set', () => {
  it.each(['privileged', 'copied', 'haswell'] as const)('%s: goes to the dword all the same', (home) => {
    const base = home === 'privileged' ? BATCH : PROCESS;
    for (const bits of [1, 2, 3]) {
      const into = run(home, { [base]: [...store(home, base + 4 + bits, JUNK), NOOP, END] });
      expect([bits, into.code, into.dword, into.gmadr]).toEqual([bits, 'self-modifying', 1, base + 4]);
    }
  });
  it('changes what runs in place', () => {
    for (const bits of [1, 2, 3]) {
      expect(run('ppgtt', { [PROCESS]: [...put(PROCESS + 16 + bits, NOOP), JUNK, END] }).ok).toBe(true);
    }
  });
});

describe('a survey of a batch that starts another in global memory', () => {
  it('goes on in the process, wherever that is', () => {
    for (const address of [PROCESS + PAGE, 0x12_0000_0000]) {
      const [header, ...rest] = jump('ppgtt', address);
      const memory = { [PROCESS]: [(header! & ~PPGTT) >>> 0, ...rest], [address]: [NOOP, NOOP, END] };
      expect(run('ppgtt', memory, { survey: true })).toMatchObject({ code: 'global-select', commands: 4, dwords: 6 });
    }
  });
});

describe('a long command across pages', () => {
  const gpr = 0x2600;
  it('is judged to its last operand', () => {
    const load = (last: number) => [
      CMD.MI_LOAD_REGISTER_IMM | len(121),
      ...Array.from({ length: 60 }, (_, i) => [i === 59 ? last : gpr + 4 * (i % 16), 0]).flat(),
    ];
    for (const before of [1, 2, 60, 119, 120]) {
      const body = (last: number) => ({ [PROCESS]: [...noops(1024 - before), ...load(last), NOOP, END] });
      expect(run('ppgtt', body(gpr))).toMatchObject({ ok: true, commands: 1024 - before + 3 });
      expect(run('ppgtt', body(0x2234))).toMatchObject({
        code: 'register-write',
        register: 0x2234,
        dword: 1024 - before,
      });
    }
  });
  it('that ends with a page needs no other, as far as it goes', () => {
    const whole = put(PROCESS + 64 * PAGE, ...new Array<number>(1022).fill(0));
    expect(whole).toHaveLength(1025);
    expect(run('ppgtt', { [PROCESS]: [...noops(1023), ...whole] }, { engine: BCS })).toMatchObject({
      code: 'batch-unmapped',
      gmadr: PROCESS + 2 * PAGE,
      commands: 1024,
      dwords: 2048,
    });
  });
});
