/** Shadow PPGTT: what a submission pays for the page tables that its context can reach, and for those that changed. */
import { type PagePool, ShadowPpgtt } from '../src/gtt/index.js';
import type { SparseMemory } from '../src/hypervisor/index.js';
import { guestRam, ScriptedGuest } from '../test/support/scripted-guest.js';
import { compare, type Effort, type Table } from './measure.js';

const FRAME_BASE = 0x100000;
const GFN_LAST = 0xfff;
const MIB = 2 ** 20;
/** Memory that the context maps by 4 KiB entries: 64 page tables. */
const MAPPED_MIB = 128;
const BASE = 0x4000_0000;

/** Pages that are nobody's but ours, one buffer each. */
function makePool(): PagePool {
  let mfn = 0x800000;
  return { allocate: () => ({ mfn: mfn++, words: new Uint32Array(1024), at: 0 }), free: () => {} };
}

export function shadowPpgtt(effort: Effort): Table {
  const guest = new ScriptedGuest(guestRam(FRAME_BASE), () => {}, 0);
  const memory: SparseMemory = guest.memory;
  for (let i = 0; i < (MAPPED_MIB * MIB) / 4096; i++) guest.mapPpgtt(BASE + i * 4096, 0x200 + (i % 0x800));
  const ppgtt = new ShadowPpgtt({ guest: memory, pool: makePool(), maxShadowPages: 1024 });
  const root = ppgtt.create(4, [guest.pml4 * 4096]);
  ppgtt.sync(root);

  // The baseline reads as much and decides as much: is this page what it was?
  const tables = ppgtt.shadowPages - ppgtt.scratch.length;
  const pages = Array.from({ length: tables }, (_, i) => {
    const page = guest.page(guest.pml4 + i);
    return { now: Buffer.from(page.buffer, page.byteOffset, 4096), before: Buffer.from(page.slice().buffer) };
  });
  // Page tables come in the order in which they were first needed: PML4, PDP, PD, then the tables of entries.
  const firstTable = guest.pml4 + 3;
  let turn = 0;

  const sync = (entries: number) => (count: number) => {
    for (let i = 0; i < count; i++) {
      if (entries > 0) {
        turn++;
        const page = guest.page(firstTable + (turn % (tables - 3)));
        for (let e = 0; e < entries; e++) {
          // Another guest frame than the last time round, always RAM.
          page[2 * e] = ((0x200 + ((turn * 7 + e) % (GFN_LAST - 0x200))) * 4096 + 3) >>> 0;
        }
      }
      ppgtt.sync(root);
    }
    return ppgtt.entriesUpdated;
  };

  return compare(
    [
      {
        label: `memcmp of ${tables} pages`,
        loop(count) {
          let same = 0;
          for (let i = 0; i < count; i++) {
            for (const { now, before } of pages) if (now.compare(before) === 0) same++;
          }
          return same;
        },
      },
    ],
    [
      { label: `${MAPPED_MIB} MiB mapped, nothing changed`, loop: sync(0) },
      { label: 'one entry changed', loop: sync(1) },
      { label: 'one table of 512 entries changed', loop: sync(512) },
    ],
    effort,
  );
}
