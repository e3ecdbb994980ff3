/**
 * Makes a workload runnable: reads the guest's context, synchronises its shadow PPGTT, copies and scans what will be
 * executed, and builds the shadow context. What runs is what was scanned: ring contents, privileged batches, workaround
 * batches, and those of processes that the hardware does not check are executed from the mediator's copies only.
 */
import { NS_PER_S, PAGE_DWORDS, PAGE_SHIFT, PAGE_SIZE, XengtError } from '../base/index.js';
import type { PerProcessBatches, ScanInput } from '../cmd-parser/index.js';
import type { PpgttRoot } from '../gtt/index.js';
import {
  CTX,
  CTX_DWORDS,
  CTX_PDPS,
  DESC,
  ENGINES,
  frameHi,
  frameLo,
  type Platform,
  RCS,
  RING_CTL_SIZE,
  RING_CTL_VALID,
  writeContextLayout,
} from '../hw/index.js';
import type { Client } from './client.js';
import { type ContextShadow, ContextShadows } from './context-shadows.js';
import type { HostBuffer, HostGm } from './host-gm.js';
import { copyGmadr, Judge } from './judge.js';
import { processBatches } from './process-batches.js';
import { own, type Prepared, type WorkDispatcher } from './work.js';
import type { Workload } from './workload.js';

const MI_BATCH_BUFFER_END = 0x05000000;
const CACHELINE = 64;

/** A workload that is ready for ELSP, and what must be given back when it ends. */
export class PreparedContext implements Prepared {
  constructor(
    readonly descriptor: number,
    /** The shadow context, and its timestamp when it was given to the engine last. */
    readonly shadow: ContextShadow,
    readonly timestamp: number,
    readonly batches: readonly HostBuffer[],
    readonly root: PpgttRoot,
    /** Which hold on the root this workload has. */
    readonly hold: number,
  ) {}
}

/** What the guest's register state says, checked. */
interface GuestContext {
  readonly control: number;
  readonly ringStart: number;
  readonly ringBytes: number;
  readonly perCtx: number;
  readonly indirect: number;
  readonly indirectOffset: number;
  readonly timestamp: number;
  readonly pdps: number[];
}

/** Ring contents as they will run: where, and how long the shadow ring is. */
interface RingCopy {
  readonly words: Uint32Array;
  readonly at: number;
  readonly dwords: number;
  readonly gmadr: number;
  readonly bytes: number;
}

export class Dispatcher implements WorkDispatcher {
  readonly #judge: Judge;
  readonly #shadows: ContextShadows;

  constructor(
    private readonly platform: Platform,
    private readonly gm: HostGm,
    cmdAccess: Uint8Array,
  ) {
    this.#judge = new Judge(platform, gm, cmdAccess);
    this.#shadows = new ContextShadows(platform, gm);
  }

  /**
   * @throws XengtError XENGT_E_CONTEXT, XENGT_E_PPGTT, ScanRefusal when the guest's context, page tables or commands can not
   * be run, XENGT_E_NO_SPACE when the mediator has no memory left for the copies
   */
  prepare(client: Client, workload: Workload): PreparedContext {
    const context = this.#readContext(client, workload);
    // Guests announce address spaces through PVINFO; one that did not gets its shadow here and keeps it.
    const { ppgtt } = client.parts;
    const root = ppgtt.create(workload.levels, context.pdps);
    ppgtt.sync(root);
    const hold = ppgtt.hold(root);

    const batches: HostBuffer[] = [];
    try {
      const ring = this.#copyRing(client, workload, context);
      const perCtx =
        context.perCtx === 0 ? 0 : this.#copyWa(client, workload, context.perCtx, restOfPage(context.perCtx), batches);
      const indirectBytes = (context.indirect & 0x3f) * CACHELINE;
      const indirect =
        indirectBytes === 0 ? 0 : this.#copyWa(client, workload, context.indirect & ~0x3f, indirectBytes, batches);
      this.#scanRing(client, workload, context, root, ring, batches);

      const shadow = this.#shadows.take(client, workload);
      const { image } = shadow;
      const { words, at } = image.memory;
      const state = at + PAGE_DWORDS;
      // Of the described registers nothing is the guest's word: a batch position, above all, would resume unscanned commands.
      words.fill(0, state, state + CTX_DWORDS);
      writeContextLayout(words, state, workload.engine);
      words[state + CTX.CONTEXT_CONTROL] = context.control;
      words[state + CTX.RING_HEAD] = 0;
      words[state + CTX.RING_TAIL] = ring.dwords * 4;
      words[state + CTX.RING_START] = ring.gmadr;
      words[state + CTX.RING_CTL] = ((ring.bytes - PAGE_SIZE) & RING_CTL_SIZE) | RING_CTL_VALID;
      if (workload.engine === RCS) {
        words[state + CTX.BB_PER_CTX_PTR] = perCtx === 0 ? 0 : perCtx | 1;
        words[state + CTX.INDIRECT_CTX] = indirect === 0 ? 0 : (indirect | (context.indirect & 0x3f)) >>> 0;
        words[state + CTX.INDIRECT_CTX_OFFSET] = context.indirectOffset;
      }
      words[state + CTX.CTX_TIMESTAMP] = context.timestamp;
      for (let i = 0; i < CTX_PDPS.length; i++) {
        const mfn = i < (workload.levels === 4 ? 1 : 4) ? ppgtt.rootPdp(root, i) : 0;
        words[state + CTX_PDPS[i]![0]] = frameHi(mfn);
        words[state + CTX_PDPS[i]![1]] = frameLo(mfn);
      }
      const addressing = workload.levels === 4 ? DESC.ADDRESSING_64 : DESC.ADDRESSING_32;
      const flags =
        DESC.VALID | DESC.FORCE_RESTORE | DESC.LLC_COHERENT | DESC.PRIVILEGE | (addressing << DESC.ADDRESSING_SHIFT);
      const descriptor = (image.gmadr | flags) >>> 0;
      return new PreparedContext(descriptor, shadow, context.timestamp, batches, root, hold);
    } catch (error) {
      for (const batch of batches) this.gm.free(batch);
      ppgtt.drop(root, hold);
      throw error;
    }
  }

  /**
   * A workload that was broken off is to go on: with the mappings that its guest has now.
   * @throws XengtError XENGT_E_PPGTT
   */
  goOn(client: Client, prepared: Prepared): void {
    client.parts.ppgtt.sync(own(PreparedContext, prepared).root);
  }

  /** What was prepared, its running time counted from now on. */
  brokenOff(prepared: Prepared): Prepared {
    const work = own(PreparedContext, prepared);
    const { descriptor, shadow, batches, root, hold } = work;
    return new PreparedContext(descriptor, shadow, timestampOf(work), batches, root, hold);
  }

  /** The workload is off the device: gives back what it needed there. */
  finish(client: Client, prepared: Prepared): void {
    const { batches, root, hold } = own(PreparedContext, prepared);
    for (const batch of batches) this.gm.free(batch);
    client.parts.ppgtt.drop(root, hold);
  }

  /** How long a workload ran by the engine's own clock, ns: what its context was charged when the engine saved it, a tick at least. */
  ranNs(prepared: Prepared): number {
    const work = own(PreparedContext, prepared);
    const ticks = (timestampOf(work) - work.timestamp) >>> 0;
    return (Math.max(1, ticks) * NS_PER_S) / this.platform.timestampHz;
  }

  /** Whether the engine has executed all that a workload's ring held and saved its context. */
  ranToEnd(prepared: Prepared): boolean {
    const { words, at } = own(PreparedContext, prepared).shadow.image.memory;
    const state = at + PAGE_DWORDS;
    const tail = words[state + CTX.RING_TAIL]!;
    return tail !== 0 && words[state + CTX.RING_HEAD] === tail;
  }

  /** Brings the engine's state back into the guest's context image. */
  saveContext(client: Client, workload: Workload, prepared: Prepared): void {
    this.#shadows.save(client, workload, own(PreparedContext, prepared).shadow);
  }

  /** Gives back all that was allocated on behalf of a vGPU. */
  release(client: Client): void {
    this.#shadows.release(client);
    for (const ring of client.rings) if (ring) this.gm.free(ring);
    client.rings.length = 0;
  }

  #readContext(client: Client, workload: Workload): GuestContext {
    const where = `${ENGINES[workload.engine]!.name} context at GMADR 0x${workload.lrca.toString(16)}`;
    const at = client.locate((workload.lrca >>> PAGE_SHIFT) + 1);
    if (at < 0)
      throw new XengtError('XENGT_E_CONTEXT', `${where}: the register-state page is not mapped by the guest's GGTT`);
    const { words } = client;
    const value = (index: number): number => words[at + index]!;
    const ringStart = value(CTX.RING_START);
    const ringBytes = (value(CTX.RING_CTL) & RING_CTL_SIZE) + PAGE_SIZE;
    if ((value(CTX.RING_CTL) & RING_CTL_VALID) === 0) {
      throw new XengtError('XENGT_E_CONTEXT', `${where}: the ring is not enabled`);
    }
    if ((ringStart & 0xfff) !== 0) {
      throw new XengtError('XENGT_E_CONTEXT', `${where}: ring start 0x${ringStart.toString(16)} is not page aligned`);
    }
    if (workload.head >= ringBytes || workload.tail >= ringBytes || ((workload.head | workload.tail) & 7) !== 0) {
      const range = `head 0x${workload.head.toString(16)} tail 0x${workload.tail.toString(16)}`;
      throw new XengtError('XENGT_E_CONTEXT', `${where}: ${range} is not a range of a ring of ${ringBytes} bytes`);
    }
    const rcs = workload.engine === RCS;
    const perCtx = value(CTX.BB_PER_CTX_PTR);
    const count = workload.levels === 4 ? 1 : 4;
    const pdps: number[] = [];
    for (let i = 0; i < count; i++) {
      pdps.push(value(CTX_PDPS[i]![0]) * 2 ** 32 + ((value(CTX_PDPS[i]![1]) & ~0xfff) >>> 0));
    }
    return {
      control: value(CTX.CONTEXT_CONTROL),
      ringStart,
      ringBytes,
      perCtx: rcs && (perCtx & 1) !== 0 ? (perCtx & ~0x3f) >>> 0 : 0,
      indirect: rcs ? value(CTX.INDIRECT_CTX) : 0,
      indirectOffset: rcs ? value(CTX.INDIRECT_CTX_OFFSET) : 0,
      timestamp: value(CTX.CTX_TIMESTAMP),
      pdps,
    };
  }

  /** The guest's commands from head to tail, linear, in the shadow ring. */
  #copyRing(client: Client, workload: Workload, context: GuestContext): RingCopy {
    const { head, tail } = workload;
    const bytes = tail >= head ? tail - head : context.ringBytes - head + tail;
    const ring = this.#ring(client, workload, bytes);
    client.copied.ring += bytes;
    const { words, at } = ring.memory;
    const straight = tail >= head ? bytes : context.ringBytes - head;
    copyGmadr(client, context.ringStart + head, straight, words, at, 'ring');
    if (straight < bytes) copyGmadr(client, context.ringStart, bytes - straight, words, at + straight / 4, 'ring');
    return { words, at, dwords: bytes / 4, gmadr: ring.gmadr, bytes: ring.memory.pages * PAGE_SIZE };
  }

  #ring(client: Client, workload: Workload, bytes: number): HostBuffer {
    const pages = Math.ceil((bytes + CACHELINE) / PAGE_SIZE);
    const have = client.rings[workload.engine];
    if (have && have.memory.pages >= pages) return have;
    if (have) this.gm.free(have);
    client.rings[workload.engine] = undefined;
    const ring = this.gm.allocate(Math.max(4, pages), client.id);
    client.rings[workload.engine] = ring;
    return ring;
  }

  /** Copies and scans a workaround batch. @returns its GMADR */
  #copyWa(client: Client, workload: Workload, gmadr: number, maxBytes: number, batches: HostBuffer[]): number {
    const start = gmadr >>> 0;
    const buffer = this.gm.allocate(Math.ceil(maxBytes / PAGE_SIZE) + 1, client.id);
    batches.push(buffer);
    const { words, at } = buffer.memory;
    client.copied.batches += maxBytes;
    copyGmadr(client, start, maxBytes, words, at, 'workaround batch');
    words[at + maxBytes / 4] = MI_BATCH_BUFFER_END;
    const input = inputFor(client, workload, words, at, at + maxBytes / 4, 'wa');
    if (!this.#judge.judge(client, input)) throw this.#judge.refusal(false);
    this.#judge.place(client, words, batches);
    return buffer.gmadr;
  }

  #scanRing(
    client: Client,
    workload: Workload,
    context: GuestContext,
    root: PpgttRoot,
    ring: RingCopy,
    batches: HostBuffer[],
  ): void {
    const { words, at, dwords } = ring;
    const { ppgtt } = client.parts;
    const { engine } = workload;
    const perProcess = processBatches(this.platform, engine, client.scanProcesses, ppgtt, root, client.process);
    const input = inputFor(client, workload, words, at, at + dwords, 'ring', perProcess);
    if (!this.#judge.judge(client, input)) {
      const first = this.#judge.refusal(true);
      if (perProcess === undefined || !this.#ringPasses(client, workload, context)) throw this.#judge.refusal(false);
      throw first;
    }
    this.#judge.place(client, words, batches);
  }

  /** Whether the ring would pass if nobody looked at its processes: then one of them is to blame, and not the guest's driver. */
  #ringPasses(client: Client, workload: Workload, context: GuestContext): boolean {
    const { words, at, dwords } = this.#copyRing(client, workload, context);
    return this.#judge.passes(inputFor(client, workload, words, at, at + dwords, 'ring'));
  }
}

/** As the engine saved it last. */
function timestampOf({ shadow }: PreparedContext): number {
  const { words, at } = shadow.image.memory;
  return words[at + PAGE_DWORDS + CTX.CTX_TIMESTAMP]!;
}

/** What the scanner is to know of a stream. */
function inputFor(
  client: Client,
  workload: Workload,
  words: Uint32Array,
  start: number,
  end: number,
  trust: ScanInput['trust'],
  perProcess?: PerProcessBatches,
): ScanInput {
  return {
    engine: workload.engine,
    words,
    start,
    end,
    trust,
    ranges: client.ranges,
    ggtt: client,
    hwspPage: workload.lrca,
    cache: client.verdicts,
    ...(perProcess && { perProcess }),
  };
}

/** A per-context batch has no stated length; it ends in its page (i915 uses a few cachelines of one). */
function restOfPage(gmadr: number): number {
  return PAGE_SIZE - (gmadr & 0xfff);
}
