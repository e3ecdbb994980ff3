/** Commands that reach memory: what of an address counts, and what is counted of them. */
import { expect, it } from 'vitest';
import { CMD } from '../../../src/hw/index.js';
import { LOW_END, LOW_START } from '../harness.js';
import { judge } from './judge.js';

const DESTINATION_GGTT = 1 << 21;
const SOURCE_GGTT = 1 << 22;
const PC_NOTIFY = 1 << 8;
const PC_POST_SYNC_WRITE = 1 << 14;
const PC_GGTT = 1 << 24;

it.each([
  ['to', DESTINATION_GGTT],
  ['from', SOURCE_GGTT],
])('MI_COPY_MEM_MEM copies %s a whole dword, whatever the two low bits of its address are', (_way, space) => {
  const copy = (gmadr: number) => judge('ring', [CMD.MI_COPY_MEM_MEM | space | 3, gmadr, 0, gmadr, 0]);
  for (let low = 0; low < 4; low++) {
    expect(copy((LOW_END - 4) | low).ok).toBe(true);
    expect(copy(LOW_START | low).ok).toBe(true);
    expect(copy(LOW_END | low)).toMatchObject({ code: 'address', gmadr: LOW_END });
    expect(copy((LOW_START - 4) | low)).toMatchObject({ code: 'address', gmadr: LOW_START - 4 });
  }
});

it('a PIPE_CONTROL is a notify where it says so, and nowhere else', () => {
  const pipe = (flags: number) => judge('ring', [CMD.PIPE_CONTROL | 4, flags, LOW_START, 0, 1, 0]);
  const writes = PC_POST_SYNC_WRITE | PC_GGTT;
  expect(pipe(writes)).toMatchObject({ ok: true, notifies: 0 });
  expect(pipe(writes | PC_NOTIFY)).toMatchObject({ ok: true, notifies: 1 });
});
