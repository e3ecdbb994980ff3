/**
 * How a scan moves through buffers.
 *
 * The walk reads through a window: a stretch of dwords of which the next command is the one at `at`. In the ring that is the
 * whole of it; of a batch that is judged in place, a page; of a batch that is copied, the copy so far, which grows as the walk
 * reaches into it. Pieces are walked in the order of execution. A copy is walked once, whoever jumps to it; in place a
 * batch is walked as often as it would run, with what the stream itself stored there.
 */
import { type Frames, PAGE_DWORDS, PAGE_SIZE } from '../base/index.js';
import { BBS_PPGTT } from '../hw/index.js';
import { BatchCopies, OVER_BUDGET } from './batch-copies.js';
import { BATCH_BUDGET_COUNT, BATCH_BUDGET_DWORDS, TRACE_BUDGET_JUMPS, TRACE_BUDGET_PAGES } from './budgets.js';
import type { Trust } from './command-policy.js';
import { JumpMemory } from './jumps.js';
import type { ScanCode } from './rules.js';
import type { ScanTable } from './scan-table.js';
import {
  type AddressRanges,
  type BatchPatch,
  createScanResult,
  type PerProcessBatches,
  type ScanResult,
  type Segment,
  type ShadowBatch,
} from './types.js';
import { VerdictReuse } from './verdict-reuse.js';
import { WrittenDwords } from './written.js';

/** What a handler decides: go on behind the command, go on where the window is now, end of the scan, or a refusal. */
export const GO_ON = 0;
export const MOVED = 1;
export const DONE = 2;
export const REFUSED = 3;
export type Next = typeof GO_ON | typeof MOVED | typeof DONE | typeof REFUSED;

/** Which kind of buffer is being scanned. */
export const LEVEL_RING = 0;
export const LEVEL_FIRST = 1;
export const LEVEL_SECOND = 2;
export type Level = typeof LEVEL_RING | typeof LEVEL_FIRST | typeof LEVEL_SECOND;

/** How a window came to be. */
export const IN_RING = 0;
export const COPIED = 1;
export const IN_PLACE = 2;
type Mode = typeof IN_RING | typeof COPIED | typeof IN_PLACE;

/** What MI_BATCH_BUFFER_START asks for. */
export interface BatchStart {
  address: number;
  perProcess: boolean;
  level: Level;
  /** The end of the batch comes back behind the command. */
  returns: boolean;
  /** It is predicated: what follows may run instead. */
  fallsThrough: boolean;
}

/** No command has it. */
const NO_HEADER = 0xffffffff;
const NO_WORDS = new Uint32Array(0);
const NO_RANGES: AddressRanges = { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 };
const NO_FRAMES: Frames = { words: NO_WORDS, locate: () => -1 };

/** Where a walk stands: enough to go on from there. */
interface Place {
  mode: Mode;
  level: Level;
  table: ScanTable;
  kind: Segment['kind'];
  /** Index of the copy, -1 is none. */
  batch: number;
  /** Where the batch begins. */
  batchAddress: number;
  /** Dword of the window, and for a batch in place its address. */
  at: number;
  address: number;
  words: Uint32Array;
  end: number;
}

export abstract class BatchWalk {
  table: ScanTable;
  result: ScanResult = createScanResult();
  ggtt: Frames = NO_FRAMES;
  perProcess: PerProcessBatches | undefined;

  /** The window: readable dwords, the command in hand, the end (exclusive). */
  words: Uint32Array = NO_WORDS;
  at = 0;
  end = 0;
  /** Graphics address of dword 0 of the window; 0 in the ring. */
  base = 0;
  mode: Mode = IN_RING;
  level: Level = LEVEL_RING;
  /** Index of the copy being scanned. */
  batch = -1;
  batchAddress = 0;
  /** Id of the command in hand, where a handler sees it. */
  id = 0;
  /** The command that a refusal names: its header, its address (in the ring its offset). */
  header = 0;
  markedAt = 0;

  ranges: AddressRanges = NO_RANGES;
  hwspPage = 0;
  readonly reuse = new VerdictReuse();
  /** Commands counted up to the one in hand. */
  commands = 0;

  readonly #tables: (trust: Trust) => ScanTable;
  /** The piece being walked. */
  #pieceStart = 0;
  #kind: Segment['kind'] = 'primary';
  /** In the ring, the first dword that was not counted yet. */
  #ringFrom = 0;
  /** Where to go on at the end of a batch, innermost last. */
  readonly #callers: Place[] = [];
  /** Targets of predicated jumps, to be walked when all else is done. */
  readonly #pending: Place[] = [];
  #pages = 0;
  readonly #jumps = new JumpMemory();
  /** What the stream stores: through the process's tables, through the global GTT. */
  readonly #stored = new WrittenDwords();
  readonly #storedGlobally = new WrittenDwords();
  /** A page with what the stream stored in it, a command that crosses pages. */
  readonly #patchedPage = new Uint32Array(PAGE_DWORDS);
  #crossing = new Uint32Array(64);
  readonly #copies = new BatchCopies();

  constructor(table: ScanTable, tables: (trust: Trust) => ScanTable) {
    this.table = table;
    this.#tables = tables;
  }

  /** Refuses the command that was marked, wherever the window is now. */
  protected abstract refuseMarked(code: ScanCode, detail: string, gmadr?: number): Next;

  protected begin(result: ScanResult, table: ScanTable): void {
    this.result = result;
    this.table = table;
    this.batch = -1;
    this.batchAddress = 0;
    this.header = NO_HEADER;
    this.markedAt = 0;
    this.commands = 0;
    this.#copies.clear();
    this.#pages = 0;
    this.#jumps.clear();
    this.#stored.clear();
    this.#storedGlobally.clear();
  }

  /** Drops what is left of a walk that was refused, and references to the caller's memory. */
  release(): void {
    this.words = NO_WORDS;
    this.ggtt = NO_FRAMES;
    this.perProcess = undefined;
    if (this.#callers.length > 0) this.#callers.length = 0;
    if (this.#pending.length > 0) this.#pending.length = 0;
  }

  protected enterRing(words: Uint32Array, start: number, end: number): Next {
    this.words = words;
    this.at = start;
    this.end = end;
    this.base = 0;
    this.mode = IN_RING;
    this.level = LEVEL_RING;
    this.#ringFrom = start;
    if (start >= 0 && start <= end && end <= words.length) return MOVED;
    return this.refuseMarked('truncated', `dwords ${start} to ${end} are not all there`);
  }

  protected enterBatch(address: number, perProcess: boolean, copy: boolean): Next {
    this.level = LEVEL_FIRST;
    this.mode = copy ? COPIED : IN_PLACE;
    this.#kind = 'primary';
    this.batchAddress = address;
    this.markedAt = address;
    if (!copy) return this.#enterPage(address, true);
    if (this.#recall(address, perProcess, undefined)) return this.#finish();
    const index = this.#addBatch(address, perProcess, LEVEL_FIRST);
    this.reuse.open(this.result, index, 0);
    return this.#enterCopy(index);
  }

  /** Makes the command at `at` the one that a refusal names. */
  mark(at: number): void {
    this.at = at;
    this.header = this.words[at] ?? 0;
    this.markedAt = this.base + at * 4;
  }

  patch(dword: number, value: number): void {
    if (this.reuse.record.isOpen && this.batch >= 0) this.reuse.record.patched(this.batch, dword, this.words[dword]!);
    this.words[dword] = value;
    this.result.patches++;
  }

  /** The batch, or the whole stream, ends at dword `end` of the window. */
  leave(end: number): Next {
    this.#closePiece(end);
    return this.#return();
  }

  /** The command at `at` starts a batch. */
  start(at: number, length: number, asked: BatchStart): Next {
    this.mark(at);
    if (this.mode === IN_PLACE) return this.#startInPlace(at, length, asked);
    if (asked.perProcess && !this.perProcess!.copy) return this.#leaveForPlace(at, length, asked);
    return this.#startCopy(at, length, asked);
  }

  /** The command in hand stores dwords from..end of the window at `address`. */
  stores(perProcess: boolean, address: number, from: number, end: number): Next {
    this.mark(this.at);
    if (this.reuse.record.isOpen) this.reuse.record.stored(perProcess, address, end - from);
    const written = perProcess ? this.#stored : this.#storedGlobally;
    let changes = false;
    for (let i = from; i < end; i++) if (written.store(address + (i - from) * 4, this.words[i]!)) changes = true;
    // the same jump may lead to other commands then: it is no circle any more
    if (changes) this.#jumps.clear();
    if (this.mode !== IN_PLACE || !perProcess) return GO_ON;
    const next = this.base + end * 4;
    const page = Math.floor(next / PAGE_SIZE) * PAGE_SIZE;
    const last = address + (end - from) * 4;
    if (last <= page || address >= page + PAGE_SIZE) return GO_ON;
    if (this.words !== this.#patchedPage) return this.#enterPage(next, false);
    // what goes to the pages beside it falls outside of the array, which takes nothing there
    for (let i = from; i < end; i++) this.words[(address + (i - from) * 4 - page) / 4] = this.words[i]!;
    return GO_ON;
  }

  /** The walk ended before dword `at` of the window: what it passed of the piece still counts. */
  abandon(at: number): void {
    const passed = this.level === LEVEL_RING ? at - this.#ringFrom : (this.base + at * 4 - this.#pieceStart) / 4;
    // a command whose own piece is closed already was counted with it
    this.result.dwords += Math.max(0, passed);
  }

  /**
   * The command in hand needs `length` dwords, which the window has not. A copy grows; a command that crosses pages is put
   * together and becomes the window; in the ring there is no more.
   */
  need(length: number): Next {
    this.mark(this.at);
    if (this.mode === IN_RING) {
      return this.refuseMarked(
        'truncated',
        `its ${length} dwords end ${this.at + length - this.end} beyond the buffer`,
      );
    }
    if (this.mode === COPIED) return this.#extend(this.at + length) ? MOVED : REFUSED;
    return this.#gather(length);
  }

  /** The walk is at or beyond the end of the window, the command in hand being the last. */
  refill(at: number): Next {
    this.mark(this.at);
    if (this.mode === IN_RING) {
      return at > this.end ? this.need(at - this.at) : this.leave(at);
    }
    if (this.mode === COPIED) {
      if (!this.#extend(at + 1)) return REFUSED;
      this.at = at;
      return MOVED;
    }
    const address = this.base + at * 4;
    // the middle of a long command lies on pages that must be there as well
    for (let page = this.base + this.end * 4; page + PAGE_SIZE <= address; page += PAGE_SIZE) {
      const next = this.#enterPage(page, false);
      if (next !== MOVED) return next;
    }
    return this.#enterPage(address, false);
  }

  // --- batches that are judged in place

  /** A ring or a copy starts a batch that is judged in place. */
  #leaveForPlace(at: number, length: number, asked: BatchStart): Next {
    if (asked.fallsThrough) {
      this.#postpone(asked, -1);
      return GO_ON;
    }
    this.#closePiece(at + length);
    if (asked.returns) this.#call(at + length);
    // what was jumped before is over: a ring that starts a batch twice is no circle
    this.#jumps.clear();
    // Entered first: where that fails, the command that starts the batch is to blame.
    const next = this.#enterPage(asked.address, true);
    if (next !== MOVED) return next;
    this.#kind = kindOf(asked.level, asked.returns);
    this.level = asked.level;
    this.mode = IN_PLACE;
    this.batch = -1;
    this.batchAddress = asked.address;
    this.table = this.#tables(this.perProcess!.trust);
    return MOVED;
  }

  #startInPlace(at: number, length: number, asked: BatchStart): Next {
    const { address, level, returns } = asked;
    const from = this.base + at * 4;
    const back = returns ? from + length * 4 : (this.#callers.at(-1)?.address ?? 0);
    if (this.#jumps.repeats(from, address, back)) {
      this.result.loop = true;
      return this.leave(at + length);
    }
    if (this.#jumps.count > TRACE_BUDGET_JUMPS) {
      return this.refuseMarked('batch-budget', `more than ${TRACE_BUDGET_JUMPS} jumps`, address);
    }
    if (asked.fallsThrough) {
      this.#postpone(asked, -1);
      return GO_ON;
    }
    this.#closePiece(at + length);
    if (returns) this.#call(at + length);
    this.level = level;
    this.#kind = kindOf(level, returns);
    const next = this.#enterPage(address, true);
    if (next === MOVED) this.batchAddress = address;
    return next;
  }

  /** Puts the window on the page of `address`. `piece`: a new piece begins there. */
  #enterPage(address: number, piece: boolean): Next {
    const { memory } = this.perProcess!;
    const page = Math.floor(address / PAGE_SIZE);
    const offset = (address & (PAGE_SIZE - 1)) >>> 2;
    if (++this.#pages > TRACE_BUDGET_PAGES) {
      return this.refuseMarked('batch-budget', `more than ${TRACE_BUDGET_PAGES} pages`, address);
    }
    const found = memory.locate(page);
    if (found < 0) return this.refuseMarked('batch-unmapped', `0x${address.toString(16)} is not mapped`, address);
    let at = found;
    this.words = memory.words;
    if (this.#stored.touchesPage(page)) {
      this.#patchedPage.set(memory.words.subarray(found, found + PAGE_DWORDS));
      this.#stored.apply(page, this.#patchedPage);
      this.words = this.#patchedPage;
      at = 0;
    }
    this.base = page * PAGE_SIZE - at * 4;
    this.at = at + offset;
    this.end = at + PAGE_DWORDS;
    if (piece) this.#pieceStart = address;
    return MOVED;
  }

  /** Puts the command in hand together from all its pages; it becomes the window. */
  #gather(length: number): Next {
    const address = this.base + this.at * 4;
    if (this.#crossing.length < length) this.#crossing = new Uint32Array(length);
    const into = this.#crossing;
    for (let i = 0; i < length; i++) {
      if (this.at === this.end && this.#enterPage(address + i * 4, false) !== MOVED) return REFUSED;
      into[i] = this.words[this.at++]!;
    }
    this.words = into;
    this.base = address;
    this.at = 0;
    this.end = length;
    return MOVED;
  }

  // --- batches that are copied

  #startCopy(at: number, length: number, asked: BatchStart): Next {
    const { address, level, perProcess, returns } = asked;
    const { batches } = this.result;
    const dword = at + this.table.addressAt[this.id]!;
    const site = { batch: this.batch, dword, wide: this.table.addressWide[this.id] !== 0 };
    // the copy lies in the global GTT, wherever the original was
    if (perProcess) this.patch(at, (this.words[at]! & ~BBS_PPGTT) >>> 0);
    let index = -1;
    for (let i = 0; i < batches.length; i++) {
      const batch = batches[i]!;
      if (batch.sourceGmadr === address && batch.level === level && batch.perProcess === perProcess) index = i;
    }
    const known = index >= 0;
    if (known && index < this.reuse.record.firstBatch) this.reuse.record.spoil();
    if (!known && this.level === LEVEL_RING && this.#recall(address, perProcess, site)) return GO_ON;
    if (!known) {
      if (batches.length >= BATCH_BUDGET_COUNT) {
        return this.refuseMarked('batch-budget', `more than ${BATCH_BUDGET_COUNT} batches`, address);
      }
      index = this.#addBatch(address, perProcess, level);
    }
    batches[index]!.patchAt.push(site);
    if (asked.fallsThrough) {
      if (!known) this.#postpone(asked, index);
      return GO_ON;
    }
    if (known && returns) return GO_ON;
    this.#closePiece(at + length);
    if (known) return this.#return();
    if (returns) this.#call(at + length);
    if (this.level === LEVEL_RING) this.reuse.open(this.result, index, this.commands);
    const next = this.#enterCopy(index);
    if (next !== MOVED) return next;
    this.#kind = kindOf(level, returns);
    this.level = level;
    if (perProcess) this.table = this.#tables(this.perProcess!.trust);
    return MOVED;
  }

  #addBatch(address: number, perProcess: boolean, level: Level): number {
    const { batches } = this.result;
    const index = batches.length;
    batches.push({
      words: this.#copies.bufferFor(index),
      dwords: 0,
      sourceGmadr: address,
      perProcess,
      level: level === LEVEL_SECOND ? 2 : 1,
      patchAt: [],
    });
    return index;
  }

  #enterCopy(index: number): Next {
    const batch = this.result.batches[index]!;
    // where nothing of it is there, the command that starts it is at fault
    const first = this.#copyPage(index, batch);
    if (first === 0) return REFUSED;
    this.mode = COPIED;
    this.batch = index;
    this.batchAddress = batch.sourceGmadr;
    this.words = batch.words;
    this.base = batch.sourceGmadr;
    this.at = 0;
    this.end = first;
    this.#pieceStart = batch.sourceGmadr;
    return MOVED;
  }

  /** Copies more of the batch in hand. @returns whether the copy reaches to dword `need`; else it was refused */
  #extend(need: number): boolean {
    const batch = this.result.batches[this.batch]!;
    while (this.end < need) {
      const dwords = this.#copyPage(this.batch, batch);
      if (dwords === 0) return false;
      this.end += dwords;
    }
    this.words = batch.words;
    return true;
  }

  /** Copies a batch on, up to the end of the source's page. @returns how many dwords; 0 was refused */
  #copyPage(index: number, batch: ShadowBatch): number {
    const { perProcess } = batch;
    const address = batch.sourceGmadr + this.#copies.reachOf(index) * 4;
    const { record, cache } = this.reuse;
    if (record.isOpen) {
      record.copies(index, cache?.versions?.versionOf(Math.floor(address / PAGE_SIZE), perProcess) ?? -1);
    }
    const readable = perProcess || this.ownsBatch(address, PAGE_SIZE - (address & (PAGE_SIZE - 1)));
    const frames = perProcess ? this.perProcess!.memory : this.ggtt;
    const dwords = this.#copies.copyPage(index, batch, readable ? frames : undefined);
    if (dwords > 0) return dwords;
    if (dwords === OVER_BUDGET) {
      this.refuseMarked('batch-budget', `more than ${BATCH_BUDGET_DWORDS} dwords of copied batches`, address);
    } else {
      const what = perProcess ? 'mapped' : 'mapped memory of the own ranges';
      this.refuseMarked('batch-unmapped', `0x${address.toString(16)} is not ${what}`, address);
    }
    return 0;
  }

  /** Whether a batch may be read from these bytes of the global GTT. */
  protected abstract ownsBatch(address: number, bytes: number): boolean;

  // --- pieces, calls and returns

  /** Takes the kept verdict on a batch. @returns whether there was one */
  #recall(address: number, perProcess: boolean, site: BatchPatch | undefined): boolean {
    if (this.reuse.cache === undefined) return false;
    const { key } = this.reuse;
    key.space = perProcess ? this.perProcess!.space : 0;
    key.address = address;
    key.engine = this.table.commands.engine;
    key.trust = perProcess ? this.perProcess!.trust : this.table.trust;
    key.perProcess = perProcess;
    key.hwspPage = this.hwspPage;
    key.ranges = this.ranges;
    return this.reuse.recall(this.result, site, this.ggtt, this.perProcess?.memory, this.#copies);
  }

  #closePiece(end: number): void {
    if (this.level === LEVEL_RING) {
      this.result.dwords += end - this.#ringFrom;
      this.#ringFrom = end;
      return;
    }
    const address = this.base + end * 4;
    this.result.dwords += (address - this.#pieceStart) / 4;
    this.result.segments.add(this.#pieceStart, address, this.#kind);
    this.#pieceStart = address;
    if (this.mode === COPIED) this.result.batches[this.batch]!.dwords = end;
  }

  #place(at: number): Place {
    return {
      mode: this.mode,
      level: this.level,
      table: this.table,
      kind: this.#kind,
      batch: this.batch,
      batchAddress: this.batchAddress,
      at,
      address: this.base + at * 4,
      words: this.words,
      end: this.end,
    };
  }

  #call(at: number): void {
    this.#callers.push(this.#place(at));
  }

  #postpone(asked: BatchStart, index: number): void {
    this.reuse.record.spoil();
    const place = this.#place(0);
    place.level = asked.level;
    place.mode = index < 0 ? IN_PLACE : COPIED;
    place.kind = kindOf(asked.level, false);
    place.batch = index;
    place.batchAddress = asked.address;
    place.address = asked.address;
    if (asked.perProcess) place.table = this.#tables(this.perProcess!.trust);
    this.#pending.push(place);
  }

  /** Goes on where the batch was started, or with what is left to walk. */
  #return(): Next {
    const caller = this.#callers.pop();
    if (caller !== undefined) {
      if (caller.level === LEVEL_RING) this.reuse.keep(this.result, this.commands);
      this.#goTo(caller);
      if (caller.mode === IN_PLACE) return this.#enterPage(caller.address, true);
      this.words = caller.words;
      this.at = caller.at;
      this.end = caller.end;
      this.base = caller.address - caller.at * 4;
      this.#pieceStart = caller.address;
      return MOVED;
    }
    const pending = this.#pending.pop();
    if (pending === undefined) return this.#finish();
    this.#goTo(pending);
    return pending.mode === IN_PLACE ? this.#enterPage(pending.address, true) : this.#enterCopy(pending.batch);
  }

  /** Back to where the walk was, or on to where it has to go: if that is not there, no command but the place is to blame. */
  #goTo(place: Place): void {
    this.header = NO_HEADER;
    this.markedAt = place.address;
    this.mode = place.mode;
    this.level = place.level;
    this.table = place.table;
    this.#kind = place.kind;
    this.batch = place.batch;
    this.batchAddress = place.batchAddress;
  }

  #finish(): Next {
    const { batches } = this.result;
    for (let i = 0; i < batches.length; i++) {
      const batch = batches[i]!;
      // what was copied behind the end was not scanned and must not be there to be executed
      const reach = this.#copies.reachOf(i);
      if (reach > batch.dwords) batch.words.fill(0, batch.dwords, reach);
      const hit = this.#firstStoreInto(batch);
      if (hit >= 0) {
        // the dword that would change is named, whoever changes it
        const at = (hit - batch.sourceGmadr) / 4;
        this.batch = i;
        this.batchAddress = batch.sourceGmadr;
        this.header = batch.words[at]!;
        this.markedAt = hit;
        const next = this.refuseMarked(
          'self-modifying',
          `the stream stores into its batch at 0x${hit.toString(16)}`,
          hit,
        );
        if (next !== GO_ON) return next;
      }
    }
    this.reuse.keep(this.result, this.commands);
    return DONE;
  }

  /** @returns the lowest address at which the stream stores into the batch, or -1 */
  #firstStoreInto(batch: ShadowBatch): number {
    const { perProcess, sourceGmadr, dwords } = batch;
    const written = perProcess ? this.#stored : this.#storedGlobally;
    const hit = written.firstWithin(sourceGmadr, sourceGmadr + dwords * 4);
    const recalled = this.reuse.firstStoreInto(batch);
    return hit < 0 || (recalled >= 0 && recalled < hit) ? recalled : hit;
  }
}

const SECOND_LEVEL_KINDS: readonly Segment['kind'][] = ['second_level', 'second_level_chain'];
const FIRST_LEVEL_KINDS: readonly Segment['kind'][] = ['primary', 'chain'];
const kindOf = (level: Level, called: boolean): Segment['kind'] =>
  (level === LEVEL_SECOND ? SECOND_LEVEL_KINDS : FIRST_LEVEL_KINDS)[called ? 0 : 1]!;
