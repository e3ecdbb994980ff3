/**
 * What changing contexts costs: a submission of the context that ran last, of another, of another guest's, and of one that the
 * guest has written all over. The baseline copies a whole render context there and back, and does nothing else.
 */
import { CMD, contextPages, MI_USE_GGTT, RCS } from '../src/hw/index.js';
import { BenchGuest, DATA_GFN, PLATFORM } from './guest.js';
import { compare, type Effort, type Table } from './measure.js';
import { Submitter } from './submission.js';

const PAGES = contextPages(RCS, PLATFORM.gen);
const PAGE_DWORDS = 1024;
const SEMAPHORE_INDEX = 0x1100;
const SEMAPHORE_GFN = DATA_GFN + 8;
/** Poll the GGTT until the dword is equal. */
const SEMAPHORE_EQUAL = MI_USE_GGTT | (1 << 15) | (4 << 12) | 2;

interface Case {
  readonly label: string;
  readonly guests: readonly BenchGuest[];
  readonly loop: (count: number) => number;
}

/** Submissions of all `submitters` in turn. */
function turns(label: string, guests: readonly BenchGuest[], submitters: readonly Submitter[]): Case {
  return {
    label,
    guests,
    loop: (count) => {
      for (let i = 0; i < count; i++) submitters[i % submitters.length]!.once();
      return guests[0]!.interrupts;
    },
  };
}

function cases(): Case[] {
  const same = new BenchGuest();
  const several = new BenchGuest();
  const first = new BenchGuest();
  const second = new BenchGuest(first.core);
  const writer = new BenchGuest();
  const written = new Submitter(writer, RCS, 1);
  let value = 0;
  return [
    turns('the context that ran last', [same], [new Submitter(same, RCS, 1)]),
    turns(
      'three contexts of a guest in turn',
      [several],
      [0, 1, 2].map((slot) => new Submitter(several, RCS, 1, slot)),
    ),
    turns('two guests in turn', [first, second], [new Submitter(first, RCS, 1), new Submitter(second, RCS, 1)]),
    {
      label: 'a context that its guest wrote all over',
      guests: [writer],
      loop: (count) => {
        for (let i = 0; i < count; i++) {
          value++;
          for (let page = 2; page < PAGES; page++) writer.scripted.page(0x100 + page)[7] = value;
          written.once();
        }
        return writer.interrupts;
      },
    },
    brokenOff(),
  ];
}

/**
 * A guest's work waits in the middle of its ring while another guest's comes: it is taken off the engine, and put back to be
 * gone on with. Each pair is two submissions.
 */
function brokenOff(): Case {
  const long = new BenchGuest();
  const short = new BenchGuest(long.core);
  const semaphore = long.scripted.page(SEMAPHORE_GFN);
  const wait = [CMD.MI_SEMAPHORE_WAIT | SEMAPHORE_EQUAL, 1, long.scripted.bind(SEMAPHORE_INDEX, SEMAPHORE_GFN), 0];
  const waiting = new Submitter(long, RCS, 1, 0, wait);
  const other = new Submitter(short, RCS, 1);
  return {
    label: 'two guests in turn, one broken off for the other and gone on with',
    guests: [long, short],
    loop: (count) => {
      for (let i = 0; i < count; i += 2) {
        semaphore[0] = 0;
        waiting.submit();
        other.once();
        semaphore[0] = 1;
        waiting.complete();
      }
      return long.interrupts;
    },
  };
}

/** A context image and its shadow, copied whole before and after each run. */
function wholeCopies(): (count: number) => number {
  const image = new Uint32Array(PAGES * PAGE_DWORDS).fill(DATA_GFN);
  const shadow = new Uint32Array(PAGES * PAGE_DWORDS);
  return (count) => {
    for (let i = 0; i < count; i++) {
      for (let page = 1; page < PAGES; page++) {
        const at = page * PAGE_DWORDS;
        shadow.set(image.subarray(at, at + PAGE_DWORDS), at);
        image.set(shadow.subarray(at, at + PAGE_DWORDS), at);
      }
    }
    return shadow[PAGE_DWORDS]!;
  };
}

/** Bytes of context images copied so far, both ways, submissions that completed, and times that one was broken off. */
function counts(guests: readonly BenchGuest[]): { bytes: number; submissions: number; breaks: number } {
  let bytes = 0;
  let submissions = 0;
  let breaks = 0;
  for (const { core, vgpu } of guests) {
    const { contextIn, contextOut } = core.arbiter.copiedBytes(vgpu.id);
    bytes += contextIn + contextOut;
    submissions += core.arbiter.results(vgpu.id)?.RCS?.complete ?? 0;
    breaks += core.arbiter.engineShare(vgpu.id, RCS).breaks;
  }
  return { bytes, submissions, breaks };
}

export function contexts(effort: Effort): Table {
  const all = cases();
  const table = compare([{ label: 'copy of a render context, there and back', loop: wholeCopies() }], all, effort);
  const rows = table.rows.map((row) => {
    const found = all.find(({ label }) => label === row.label);
    if (found === undefined) return row;
    const { bytes, submissions, breaks } = counts(found.guests);
    const perSecond = Math.round(1e9 / row.ns).toLocaleString('en');
    return {
      ...row,
      note:
        `${perSecond} submissions/s; ${Math.round(bytes / submissions)} bytes of contexts copied for each` +
        (breaks === 0 ? '' : `; ${(breaks / submissions).toFixed(2)} times broken off`),
    };
  });
  return { ...table, rows };
}
