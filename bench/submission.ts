/**
 * Submission to completion: from the fourth ELSP write of a guest to the entry in its context status buffer, on the model.
 * The baseline is the model without a mediator: a driver of its own submits the same commands and waits for the same entry.
 * Time is virtual, so that what is measured is the work done, not the engine time that the model declares.
 */
import { BBS_PPGTT, BCS, CMD, CTX, DESC, ENGINES, type EngineId, MI_USE_GGTT, RCS, RING } from '../src/hw/index.js';
import { Context, Driver, Ppgtt } from '../test/gpu/driver.js';
import { BenchGuest, DATA_GFN } from './guest.js';
import { compare, type Effort, type Subject, type Table } from './measure.js';

const BATCH = 0x1000_0000;
const TARGET = 0x2000_0000;
const CSB_ENTRIES = 6;
const CSB_WRITE = 0x1f;
/** Index of the guest's graphics page that the ring's own stores go to. */
const TIMELINE_INDEX = 0x1000;
const len = (dwords: number): number => dwords - 2;

/** What i915 puts around a user's batch: seqno, jump, breadcrumb, interrupt. */
function ring(timeline: number): number[] {
  return [
    ...[CMD.MI_STORE_DATA_IMM | MI_USE_GGTT | len(4), timeline, 0, 16],
    ...[CMD.MI_BATCH_BUFFER_START | BBS_PPGTT | len(3), BATCH, 0, CMD.MI_NOOP],
    ...[CMD.MI_STORE_DATA_IMM | MI_USE_GGTT | len(4), timeline + 8, 0, 17],
    ...[CMD.MI_USER_INTERRUPT, CMD.MI_NOOP],
  ];
}

/** A batch of `stores` dword stores: work for the model, which the scanner need not look at. */
function batch(stores: number): number[] {
  const store = (i: number) => [CMD.MI_STORE_DATA_IMM | len(4), TARGET + 4 * i, 0, i];
  return [...Array.from({ length: stores }, (_, i) => store(i)).flat(), CMD.MI_BATCH_BUFFER_END, 0];
}

/** Status entries that one submission makes: idle to active, complete. */
const afterTwo = (write: number): number => (write >= CSB_ENTRIES ? 1 : (write + 2) % CSB_ENTRIES);

/** A guest with one context, or another of the same guest's, ready to be submitted again and again. */
export class Submitter {
  readonly #guest: BenchGuest;
  readonly #base: number;
  readonly #status: Uint32Array;
  readonly #state: Uint32Array;
  readonly #lrca: number;
  /** What the status buffer's write pointer will be when it is complete. */
  #done = 0;

  /** @param before commands of the ring, before those that it always has */
  constructor(guest: BenchGuest, engine: EngineId, stores: number, slot = 0, before: readonly number[] = []) {
    const { scripted } = guest;
    this.#guest = guest;
    this.#base = ENGINES[engine]!.mmioBase;
    this.#status = guest.startEngine(engine);
    scripted.mapPpgtt(BATCH, DATA_GFN);
    scripted.mapPpgtt(BATCH + 4096, DATA_GFN + 1);
    scripted.mapPpgtt(TARGET, DATA_GFN + 2);
    const commands = batch(stores);
    scripted.page(DATA_GFN).set(commands.slice(0, 1024));
    scripted.page(DATA_GFN + 1).set(commands.slice(1024));
    const inRing = [...before, ...ring(scripted.bind(TIMELINE_INDEX, DATA_GFN + 3))];
    this.#lrca = scripted.context(slot, inRing).lrca;
    this.#state = scripted.page(0x101 + 0x20 * slot);
  }

  once(): void {
    this.submit();
    this.complete();
  }

  submit(): void {
    this.#state[CTX.RING_HEAD] = 0;
    this.#done = afterTwo(this.#status[CSB_WRITE]!);
    const elsp = this.#base + RING.ELSP;
    const flags = DESC.VALID | DESC.PRIVILEGE | (DESC.ADDRESSING_64 << DESC.ADDRESSING_SHIFT);
    this.#guest.write32(elsp, 0);
    this.#guest.write32(elsp, 0);
    this.#guest.write32(elsp, 1);
    this.#guest.write32(elsp, (this.#lrca | flags) >>> 0);
  }

  /** Time goes on until what was submitted is complete, and the driver has seen it. */
  complete(): void {
    const guest = this.#guest;
    const { core } = guest;
    for (;;) {
      core.advance();
      if (this.#status[CSB_WRITE] === this.#done) break;
      const due = core.nextDue();
      if (due === Number.POSITIVE_INFINITY) throw new Error('the workload never completed');
      core.clock.set(due);
    }
    // Status pointer, interrupt.
    guest.write32(this.#base + RING.CONTEXT_STATUS_PTR, 0x07000000 | (this.#done << 8));
    guest.write32(0x44308, 0xffffffff);
  }
}

function mediated(engine: EngineId, stores: number): (count: number) => number {
  const guest = new BenchGuest();
  const submitter = new Submitter(guest, engine, stores);
  return (count) => {
    for (let i = 0; i < count; i++) submitter.once();
    return guest.interrupts;
  };
}

/** Two guests, each submission another one's: the engine's registers change hands each time. */
function inTurn(engine: EngineId, stores: number): (count: number) => number {
  const first = new BenchGuest();
  const second = new BenchGuest(first.core);
  const a = new Submitter(first, engine, stores);
  const b = new Submitter(second, engine, stores);
  return (count) => {
    for (let i = 0; i < count; i++) ((i & 1) === 0 ? a : b).once();
    return first.interrupts + second.interrupts;
  };
}

/** The same ring and batch on a model that nobody mediates. */
function direct(engine: EngineId, stores: number): (count: number) => number {
  const driver = new Driver('SKL', { poolPages: 1024 });
  const { gpu } = driver;
  const owner = 1;
  const space = new Ppgtt(driver, owner);
  const pages = gpu.allocate(4, owner);
  pages.words.set(batch(stores), pages.at);
  space.map(BATCH, pages.mfn, 2);
  space.map(TARGET, pages.mfn + 2);
  const context = new Context(driver, engine, owner, space).emit(...ring(driver.mapGgtt(pages.mfn + 3, 1)));
  const { words, at } = driver.hwsp[engine]!;
  words[at + CSB_WRITE] = 7;
  gpu.write32(driver.base(engine) + RING.CONTEXT_STATUS_PTR, 0xffff0707);
  return (count) => {
    for (let i = 0; i < count; i++) {
      const done = afterTwo(words[at + CSB_WRITE]!);
      context.set(CTX.RING_HEAD, 0);
      driver.submit(engine, context);
      for (;;) {
        gpu.advance(driver.now);
        if (words[at + CSB_WRITE] === done) break;
        const due = gpu.nextDue();
        if (due === Number.POSITIVE_INFINITY) throw new Error('the list never completed');
        driver.now = Math.max(driver.now, due);
      }
      gpu.write32(driver.base(engine) + RING.CONTEXT_STATUS_PTR, 0x07000000 | (done << 8));
      gpu.write32(0x44308, 0xffffffff);
    }
    return gpu.counters.commands;
  };
}

export function submission(effort: Effort): Table {
  const baselines: Subject[] = [];
  const subjects: Subject[] = [];
  for (const [name, engine] of [
    ['BCS', BCS],
    ['RCS', RCS],
  ] as const) {
    for (const stores of [1, 256]) {
      const what = `${name}, ${stores} ${stores === 1 ? 'store' : 'stores'}`;
      const alone = `model alone, ${what}`;
      baselines.push({ label: alone, loop: direct(engine, stores) });
      subjects.push({ label: what, against: [alone], loop: mediated(engine, stores) });
      if (stores === 1) {
        subjects.push({ label: `${what}, two guests in turn`, against: [alone], loop: inTurn(engine, stores) });
      }
    }
  }
  return compare(baselines, subjects, effort);
}
