/**
 * Makes a piece of a Haswell guest's ring runnable: copies it, shadows the address spaces that it loads, scans it and all
 * batches that it starts, and frames it with the mediator's own commands. What runs is what was scanned. Batches of processes
 * are always copied and judged, as Haswell's command streamers check too little of them.
 */
import { type Frames, NS_PER_S, PAGE_DWORDS, PAGE_SIZE, XengtError } from '../base/index.js';
import type { PerProcessBatches, ScanInput } from '../cmd-parser/index.js';
import { type Gpu, OWNER_MEDIATOR } from '../gpu/index.js';
import { ShadowDirectories, type ShadowDirectory } from '../gtt/index.js';
import {
  CCID,
  directoryEntry,
  ENGINES,
  GEN7_CONTEXT_PAGES,
  GEN7_DIRECTORY_ALIGN,
  GEN7_DIRECTORY_ENTRIES,
  PP_DCLV_ALL,
  ppDirBase,
  RCS,
  RING7,
  SET_CONTEXT,
} from '../hw/index.js';
import type { Client } from './client.js';
import type { HostBuffer, HostGm } from './host-gm.js';
import { copyGmadr, Judge } from './judge.js';
import { BEFORE_DWORDS, BEHIND_DWORDS, frameRing, NOTE, PreparedRing } from './ring-work.js';
import { own, type Prepared, type WorkDispatcher } from './work.js';
import type { Workload } from './workload.js';

/** Page tables for 2 GiB are 512 pages; this bounds what a hostile guest can make the mediator hold. */
const MAX_SHADOW_PAGES = 16_384;
const LARGEST_RING = 0x200000;

/** What the mediator keeps for one guest. */
interface Held {
  readonly directories: ShadowDirectories;
  /** The render context of a guest that never named its own. */
  readonly base: HostBuffer;
  /** The render context that the guest's own commands left current, 0: none yet. */
  context: number;
  /** Its image holds a state to begin with. */
  saved: boolean;
  /** Workloads on the engines now. */
  running: number;
}

/** The address space that a scan is in: its process's memory, and a number for verdicts. */
class CurrentSpace implements Frames, PerProcessBatches {
  readonly trust = 'haswell';
  readonly copy = true;
  readonly memory: Frames = this;
  words: Uint32Array = new Uint32Array(0);
  space = 1;
  /** PP_DIR_BASE as the guest loaded it last. */
  guestDirectory = 0;
  #directory: ShadowDirectory | null = null;

  enter(directory: ShadowDirectory, guestDirectory: number): void {
    this.#directory = directory;
    this.guestDirectory = guestDirectory;
    this.space = directory.space;
  }

  locate(page: number): number {
    if (this.#directory === null) return -1;
    const at = this.#directory.locate(page);
    this.words = this.#directory.words;
    return at;
  }
}

export class RingDispatcher implements WorkDispatcher {
  readonly #judge: Judge;
  readonly #held = new WeakMap<Client, Held>();
  readonly #space = new CurrentSpace();
  /** The render context that is current between workloads: whoever runs next saves to it, and nobody restores it. */
  readonly #parking: HostBuffer;
  /** The render engine's state after a reset, which is what a guest finds that has none of its own yet. */
  readonly #fresh: HostBuffer;
  #freshKnown = false;
  #serial = 0;

  constructor(
    private readonly gpu: Gpu,
    private readonly gm: HostGm,
    cmdAccess: Uint8Array,
  ) {
    this.#judge = new Judge(gpu.platform, gm, cmdAccess);
    this.#parking = this.#context();
    this.#fresh = this.#context();
  }

  /** An image of the mediator's own, which guests' rings have saved to. */
  #context(): HostBuffer {
    const buffer = this.gm.allocate(GEN7_CONTEXT_PAGES, OWNER_MEDIATOR);
    for (let i = 0; i < GEN7_CONTEXT_PAGES; i++) this.gpu.markScratch(buffer.memory.mfn + i);
    return buffer;
  }

  prepare(client: Client, workload: Workload): PreparedRing {
    const { engine } = workload;
    const { bank } = client.parts;
    const held = this.#heldFor(client);
    const ring = this.#ring(client, workload);
    const dwords = this.#copy(client, workload, ring);
    const register = (ENGINES[engine]!.mmioBase + RING7.PP_DIR_BASE) >>> 2;
    // Nothing else of this guest may lead to what is given up here.
    if (held.running === 0) held.directories.tidy();
    const directory = this.#enter(held, bank[register]!);
    const batches: HostBuffer[] = [];
    const statusPage = client.hwsp[engine] || ring.gmadr + (ring.memory.pages - 1) * PAGE_SIZE;
    try {
      this.#scan(client, workload, held, ring, dwords, statusPage, batches, bank[register]!);
      this.#serial = (this.#serial + 1) >>> 0 || 1;
      if (engine === RCS) this.#begin(held, bank[CCID >>> 2]!);
      const keepsFresh = engine === RCS && !this.#freshKnown;
      const total = frameRing(engine, ring, dwords, this.#serial, {
        directory: ppDirBase(directory.shadowFirst),
        context: held.context === 0 ? held.base.gmadr : held.context,
        restore: held.saved,
        parking: this.#parking.gmadr,
        fresh: keepsFresh ? this.#fresh.gmadr : 0,
      });
      const { guestDirectory } = this.#space;
      const prepared = new PreparedRing(ring, total * 4, statusPage, this.#serial, batches, guestDirectory, keepsFresh);
      prepared.clearNotes();
      held.running++;
      return prepared;
    } catch (error) {
      for (const batch of batches) this.gm.free(batch);
      throw error;
    }
  }

  goOn(): never {
    throw new TypeError('what runs from a ring can not be broken off');
  }

  brokenOff(): never {
    throw new TypeError('what runs from a ring can not be broken off');
  }

  finish(client: Client, prepared: Prepared): void {
    for (const batch of own(PreparedRing, prepared).batches) this.gm.free(batch);
    const held = this.#held.get(client);
    if (held) held.running--;
  }

  ranNs(prepared: Prepared): number {
    const work = own(PreparedRing, prepared);
    const ticks = (work.note(NOTE.END_TIME) - work.note(NOTE.START_TIME)) >>> 0;
    return (Math.max(1, ticks) * NS_PER_S) / this.gpu.platform.timestampHz;
  }

  ranToEnd(prepared: Prepared): boolean {
    const work = own(PreparedRing, prepared);
    return work.note(NOTE.END) === work.serial;
  }

  /** The guest's registers say what its commands left in them; its render context is in its image already. */
  saveContext(client: Client, workload: Workload, prepared: Prepared): void {
    const work = own(PreparedRing, prepared);
    const { bank } = client.parts;
    bank[(ENGINES[workload.engine]!.mmioBase + RING7.PP_DIR_BASE) >>> 2] = work.guestDirectory;
    const held = this.#held.get(client);
    if (work.keepsFresh) this.#freshKnown = true;
    if (workload.engine !== RCS || held === undefined) return;
    const context = (work.note(NOTE.CONTEXT) & SET_CONTEXT.ADDRESS) >>> 0;
    held.context = context === held.base.gmadr ? 0 : context;
    held.saved = true;
    bank[CCID >>> 2] = held.context;
  }

  release(client: Client): void {
    for (const ring of client.rings) if (ring) this.gm.free(ring);
    client.rings.length = 0;
    const held = this.#held.get(client);
    if (held === undefined) return;
    this.#held.delete(client);
    held.directories.release();
    this.gm.free(held.base);
  }

  /** A guest that has not run yet, or has reset its engine since, begins with what a reset leaves, not with what another one left. */
  #begin(held: Held, ccid: number): void {
    if (ccid === 0 && held.context !== 0) {
      held.context = 0;
      held.saved = false;
    }
    if (held.saved || !this.#freshKnown) return;
    const { words, at } = this.#fresh.memory;
    held.base.memory.words.set(words.subarray(at, at + GEN7_CONTEXT_PAGES * PAGE_DWORDS), held.base.memory.at);
    held.saved = true;
  }

  #heldFor(client: Client): Held {
    const known = this.#held.get(client);
    if (known !== undefined) return known;
    const { gpu, gm } = this;
    const directories = new ShadowDirectories({
      guest: client.parts.memory,
      pool: {
        allocate: (pages) => gpu.allocate(pages, client.id),
        free: ({ mfn, words, at }) => gpu.free({ mfn, words, at, pages: 1 }),
      },
      slots: {
        take: () => gm.takeEntries(GEN7_DIRECTORY_ENTRIES, GEN7_DIRECTORY_ALIGN),
        give: (first) => gm.giveEntries(first, GEN7_DIRECTORY_ENTRIES),
        write: (entry, pde) => gpu.writeGgtt(entry, pde, 0),
      },
      gfnOfEntry: (entry) => client.gfnOf(entry),
      maxShadowPages: MAX_SHADOW_PAGES,
    });
    const base = gm.allocate(GEN7_CONTEXT_PAGES, client.id);
    const held = { directories, base, context: 0, saved: false, running: 0 };
    this.#held.set(client, held);
    return held;
  }

  #enter(held: Held, guestDirectory: number): ShadowDirectory {
    const directory = held.directories.sync(directoryEntry(guestDirectory));
    this.#space.enter(directory, guestDirectory);
    return directory;
  }

  #ring(client: Client, { engine, head, tail, ring }: Workload): HostBuffer {
    const where = `${ENGINES[engine]!.name} ring`;
    if (ring === undefined) throw new XengtError('XENGT_E_CONTEXT', `${where}: no ring was named`);
    const { start, bytes } = ring;
    if (!(bytes >= PAGE_SIZE && bytes <= LARGEST_RING && bytes % PAGE_SIZE === 0 && start % PAGE_SIZE === 0)) {
      throw new XengtError('XENGT_E_CONTEXT', `${where}: ${bytes} bytes at 0x${start.toString(16)} are no ring`);
    }
    if (!(head >= 0 && head < bytes && tail >= 0 && tail < bytes) || ((head | tail) & 3) !== 0) {
      const range = `head 0x${head.toString(16)} tail 0x${tail.toString(16)}`;
      throw new XengtError('XENGT_E_CONTEXT', `${where}: ${range} is not a range of a ring of ${bytes} bytes`);
    }
    const copied = tail >= head ? tail - head : bytes - head + tail;
    // One page more: the notes.
    const pages = Math.ceil((copied + 4 * (BEFORE_DWORDS + BEHIND_DWORDS + 2)) / PAGE_SIZE) + 1;
    const have = client.rings[engine];
    if (have && have.memory.pages >= pages) return have;
    if (have) this.gm.free(have);
    client.rings[engine] = undefined;
    const made = this.gm.allocate(Math.max(5, pages), client.id);
    client.rings[engine] = made;
    return made;
  }

  /** The guest's commands from head to tail, linear, where the frame leaves room for them. @returns dwords, an even number */
  #copy(client: Client, { head, tail, ring }: Workload, { memory }: HostBuffer): number {
    const { start, bytes } = ring!;
    const copied = tail >= head ? tail - head : bytes - head + tail;
    client.copied.ring += copied;
    const at = memory.at + BEFORE_DWORDS;
    const straight = tail >= head ? copied : bytes - head;
    copyGmadr(client, start + head, straight, memory.words, at, 'ring');
    if (straight < copied) copyGmadr(client, start, copied - straight, memory.words, at + straight / 4, 'ring');
    const dwords = copied / 4;
    if (dwords % 2 === 1) memory.words[at + dwords] = 0;
    return dwords + (dwords & 1);
  }

  #scan(
    client: Client,
    workload: Workload,
    held: Held,
    ring: HostBuffer,
    dwords: number,
    statusPage: number,
    batches: HostBuffer[],
    guestDirectory: number,
  ): void {
    const { words, at } = ring.memory;
    const start = at + BEFORE_DWORDS;
    const input: ScanInput = {
      engine: workload.engine,
      words,
      start,
      end: start + dwords,
      trust: 'ring',
      ranges: client.ranges,
      ggtt: client,
      hwspPage: statusPage,
      cache: client.verdicts,
      perProcess: this.#space,
      onRegisterWrite: (offset, value) => this.#loaded(workload, held, offset, value),
    };
    if (this.#judge.judge(client, input)) {
      this.#judge.place(client, words, batches);
      return;
    }
    const first = this.#judge.refusal(true);
    // Would the ring pass if nobody looked at its processes? Then one of them is to blame, and not the guest's driver.
    this.#copy(client, workload, ring);
    this.#enter(held, guestDirectory);
    const { perProcess: _unseen, ...ringOnly } = input;
    throw this.#judge.passes(ringOnly) ? first : this.#judge.refusal(false);
  }

  /** The ring loads a register whose value is the mediator's business. @returns the value that is loaded in its place */
  #loaded(workload: Workload, held: Held, offset: number, value: number): number {
    const { mmioBase, name } = ENGINES[workload.engine]!;
    if (offset === mmioBase + RING7.PP_DIR_BASE) return ppDirBase(this.#enter(held, value).shadowFirst);
    if (offset === mmioBase + RING7.PP_DCLV) return PP_DCLV_ALL;
    throw new XengtError(
      'XENGT_E_SCAN',
      `${name} ring: register 0x${offset.toString(16)} may not be loaded by commands`,
    );
  }
}
