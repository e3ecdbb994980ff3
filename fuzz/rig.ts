/**
 * Executes accepted streams on the model's engines, as the dispatcher would have them executed, among surroundings that notice
 * everything: all graphics memory that is not the guest's own leads to frames of another guest, the copies that are executed
 * are followed by dwords that no engine knows, and every register that a command reads or writes passes by a witness.
 */
import { PAGE_DWORDS, PAGE_SIZE } from '../src/base/index.js';
import type { ScanResult } from '../src/cmd-parser/index.js';
import { DEFAULT_COST } from '../src/gpu/index.js';
import { CONTEXT_STATE_AT } from '../src/gpu/model/context.js';
import type { Device } from '../src/gpu/model/device.js';
import { InterruptTree } from '../src/gpu/model/interrupts.js';
import { ViolationLog } from '../src/gpu/model/oracle.js';
import { wirePlatformRegisters } from '../src/gpu/model/platform-registers.js';
import {
  BBS_PPGTT,
  CMD,
  CTX,
  CTX_DWORDS,
  DESC,
  ENGINES,
  type EngineId,
  type Platform,
  RING,
  RING_CTL_VALID,
  RUN_LIST_ENABLE,
  writeContextLayout,
} from '../src/hw/index.js';
import { type FuzzCase, isBatch, MOST_WORDS, type WaKind } from './case.js';
import type { Escape } from './escape.js';
import type { Layout } from './surroundings.js';
import { WatchedEngine } from './watched-engine.js';
import { RegisterWitness } from './witness.js';
import {
  ARENA_PAGES,
  CANARY,
  firstDifference,
  firstOther,
  NEIGHBOUR,
  OFFSET,
  POISON,
  RING_PAGES,
  type World,
} from './world.js';

/** Behind the registers that an image describes: what is neither padding nor a load ends the engine's part. */
const IMAGE_END = CMD.MI_BATCH_BUFFER_END;

/** How the execution of a stream ended. */
export type Ending =
  | 'done'
  /** Waits for memory to change, or stopped its own ring: hang detection's business. */
  | 'waits'
  /** Unprivileged code of the guest's that hangs or never ends: likewise. */
  | 'own-hang'
  | 'escape'
  /** The copies do not fit; judged without being executed. */
  | 'too-large';

/** Commands' worth of work after which a stream that has left privileged code is let go, and after which any is. */
const PATIENCE = 3_000;
const MOST_WORK = 300_000;
const SLICE = 500;

const NO_CLIP = { x1: 0, y1: 0, x2: 0, y2: 0 };

export class Rig {
  readonly platform: Platform;
  readonly layout: Layout;
  /** The running context's status page, one of the guest's own. */
  readonly hwspPage: number;
  /** What the last execution did: endings' detail, commands. */
  commands = 0;
  escape: Escape | null = null;

  readonly #world: World;
  readonly #device: Device;
  readonly #witness: RegisterWitness;
  readonly #engines: WatchedEngine[] = [];
  readonly #ringAt: number;
  readonly #arenaAt: number;
  readonly #imageAt: number;
  readonly #statusAt: number;
  readonly #starter = new Uint32Array(4);
  readonly #ringCopy = new Uint32Array(MOST_WORDS);
  readonly #arenaCopy = new Uint32Array(ARENA_PAGES * PAGE_DWORDS);
  readonly #placed: number[] = [];
  #arenaUsed = 0;

  constructor(world: World, platform: Platform, layout: Layout) {
    this.#world = world;
    this.platform = platform;
    this.layout = layout;
    this.hwspPage = layout.ranges.highStart + 5 * PAGE_SIZE;
    this.#imageAt = layout.mediator + OFFSET.image;
    this.#ringAt = layout.mediator + OFFSET.ring;
    this.#statusAt = layout.mediator + OFFSET.status;
    this.#arenaAt = layout.mediator + OFFSET.arena;
    this.#witness = new RegisterWitness(world.root);
    const registers = this.#witness;
    this.#device = {
      platform,
      cost: DEFAULT_COST,
      memory: world.memory,
      ggtt: world.ggttOf(layout),
      registers,
      interrupts: new InterruptTree(platform, registers, () => {}),
      oracle: new ViolationLog(),
      counters: {
        commands: 0,
        faults: 0,
        unknownCommands: 0,
        unsupportedCommands: 0,
        refusedRegisterWrites: 0,
        refusedSubmissions: 0,
      },
      unsupported: new Map(),
      time: 0,
    };
    wirePlatformRegisters(registers, platform);
    for (const id of platform.engines) this.#engines[id] = new WatchedEngine(this.#device, ENGINES[id]!, () => {});
    for (const engine of this.#engines) engine.witness = registers;
    registers.settle();
  }

  /** What code without privilege asked for in the last execution. */
  get attempt(): Escape | null {
    return this.#witness.attempt;
  }

  /** A look at all registers: what differs from how every case begins. */
  changedRegisters(): readonly number[] {
    return this.#witness.differences();
  }

  /**
   * Executes what a scan left in `words` and `result`: exactly the copies, placed as the dispatcher places them. A batch
   * that was judged by itself is started by a ring that does nothing else.
   * @param words ring contents or workaround buffer, patched
   */
  execute(fuzzCase: FuzzCase, words: Uint32Array, result: ScanResult): Ending {
    this.escape = null;
    this.commands = 0;
    this.#arenaUsed = 0;
    const { trust, address } = fuzzCase;
    const wa = trust === 'wa';
    const alone = isBatch(trust);
    const ring = alone ? this.#starter : words;
    if (alone) {
      ring.fill(0);
      ring[0] = CMD.MI_BATCH_BUFFER_START | 1 | (trust === 'ppgtt' ? BBS_PPGTT : 0);
      ring[1] = address % 2 ** 32;
      ring[2] = Math.floor(address / 2 ** 32);
    }
    if (!this.#place(ring, result, wa)) {
      this.#sweep();
      return 'too-large';
    }
    if (trust === 'batch') this.#startAt(this.#placed[0] ?? 0);
    const engine = this.#engines[fuzzCase.engine]!;
    this.#writeContext(engine.row.id, wa ? 0 : ring.length, wa ? fuzzCase.wa : null, ring.length);
    const ending = this.#run(engine, result.loop);
    this.#inspect(wa ? 0 : ring.length);
    this.#sweep();
    return this.escape === null ? ending : 'escape';
  }

  /** Lets the starting ring lead to the copy at dword `at` of the arena. */
  #startAt(at: number): void {
    const { ring } = this.#world;
    const address = this.#arenaAt + at * 4;
    ring.words.set([address, 0], ring.at + 1);
    this.#ringCopy.set([address, 0], 1);
  }

  /** Copies ring and batches to where they are executed, and writes their addresses into the commands that start them. */
  #place(words: Uint32Array, result: ScanResult, wa: boolean): boolean {
    const { ring, arena } = this.#world;
    const placed = this.#placed;
    placed.length = 0;
    let own = -1;
    if (wa) {
      own = this.#reserve(words.length + 1);
      if (own < 0) return false;
      arena.words.set(words, arena.at + own);
      arena.words[arena.at + own + words.length] = CMD.MI_BATCH_BUFFER_END;
    } else {
      ring.words.set(words, ring.at);
    }
    for (const batch of result.batches) {
      const at = this.#reserve(batch.dwords);
      if (at < 0) return false;
      placed.push(at);
      arena.words.set(batch.words.subarray(0, batch.dwords), arena.at + at);
    }
    for (let i = 0; i < result.batches.length; i++)
      for (const { batch, dword, wide } of result.batches[i]!.patchAt) {
        const to = batch >= 0 ? arena.at + placed[batch]! : wa ? arena.at + own : ring.at;
        const target = batch >= 0 || wa ? arena.words : ring.words;
        target[to + dword] = this.#arenaAt + placed[i]! * 4;
        if (wide) target[to + dword + 1] = 0;
      }
    if (!wa) this.#ringCopy.set(ring.words.subarray(ring.at, ring.at + words.length));
    this.#arenaCopy.set(arena.words.subarray(arena.at, arena.at + this.#arenaUsed));
    return true;
  }

  /** @returns dword within the arena of whole pages for `dwords` and at least one dword that is no command, or -1 */
  #reserve(dwords: number): number {
    const at = this.#arenaUsed;
    const end = at + (Math.floor(dwords / PAGE_DWORDS) + 1) * PAGE_DWORDS;
    if (end > ARENA_PAGES * PAGE_DWORDS) return -1;
    this.#arenaUsed = end;
    return at;
  }

  #writeContext(engine: EngineId, ringDwords: number, wa: WaKind | null, waDwords: number): void {
    const { image, root } = this.#world;
    const { words } = image;
    const state = image.at + PAGE_DWORDS;
    words.fill(0, image.at, state);
    words.fill(0, state, state + CTX_DWORDS);
    words.fill(CANARY, state + CTX_DWORDS, state + CONTEXT_STATE_AT);
    // A context that was never saved: nothing of the case before.
    words.fill(0, state + CONTEXT_STATE_AT, state + PAGE_DWORDS);
    words[state + CTX_DWORDS] = IMAGE_END;
    writeContextLayout(words, state, engine);
    words[state + CTX.RING_TAIL] = ringDwords * 4;
    words[state + CTX.RING_START] = this.#ringAt;
    words[state + CTX.RING_CTL] = ((RING_PAGES - 1) * PAGE_SIZE) | RING_CTL_VALID;
    if (wa === 'per-context') words[state + CTX.BB_PER_CTX_PTR] = this.#arenaAt | 1;
    if (wa === 'indirect') words[state + CTX.INDIRECT_CTX] = this.#arenaAt | (waDwords >>> 4);
    words[state + CTX.PDP0_LDW] = root.lo;
    words[state + CTX.PDP0_UDW] = root.hi;
  }

  #run(engine: WatchedEngine, mayLoop: boolean): Ending {
    const { memory } = this.#world;
    const witness = this.#witness;
    const base = engine.row.mmioBase;
    this.#device.oracle.violations = 0;
    this.#device.oracle.last.length = 0;
    memory.forget();
    engine.reset(0);
    Object.assign(engine.blitter.clip, NO_CLIP);
    witness.set(base + RING.HWS_PGA, this.#statusAt);
    witness.set(base + RING.MODE, RUN_LIST_ENABLE);
    const descriptor = this.#imageAt | DESC.VALID | DESC.PRIVILEGE | (DESC.ADDRESSING_64 << DESC.ADDRESSING_SHIFT);
    for (const value of [0, 0, 1, descriptor]) witness.write(base + RING.ELSP, value);
    const before = this.#device.counters.commands;
    witness.watch(engine);
    let work = 0;
    while (engine.runnable && !engine.polling && work < MOST_WORK && witness.escape === null) {
      // Privileged code was scanned and must end; a process may take as long as it likes, in its own place or copied.
      if (work >= PATIENCE && (!engine.privileged || engine.blitter.active || mayLoop)) break;
      work += engine.run(Number.MAX_SAFE_INTEGER, SLICE);
    }
    witness.unwatch();
    this.commands = this.#device.counters.commands - before;
    const ending = this.#ending(engine, work, mayLoop);
    engine.reset(0);
    return ending;
  }

  #ending(engine: WatchedEngine, work: number, mayLoop: boolean): Ending {
    const { stream } = engine;
    const where = (): string =>
      `at ${stream.global ? 'global' : 'per-process'} address 0x${stream.address.toString(16)}`;
    this.escape = this.#witness.escape;
    if (this.escape !== null) return 'escape';
    if (engine.hung) {
      if (!stream.global) return 'own-hang';
      return this.#found('hang', `the engine stopped in privileged code ${where()}: no command there that it knows`);
    }
    if (engine.polling) return 'waits';
    if (engine.runnable) {
      if (!stream.global || engine.blitter.active || work < MOST_WORK || mayLoop) return 'own-hang';
      return this.#found('endless', `privileged code still runs ${where()} after ${work} commands`);
    }
    return stream.empty ? 'done' : 'waits';
  }

  #found(kind: string, detail: string): Ending {
    this.escape ??= { kind, detail };
    return 'escape';
  }

  /** What must not have happened, whatever the ending; an access to foreign memory weighs more than what followed from it. */
  #inspect(ringDwords: number): void {
    const { image, arena, ring, neighbour } = this.#world;
    const violation = this.#device.oracle.last[0];
    if (violation !== undefined) {
      const { write, gmadr, mfnOwner, engine } = violation;
      const whose = mfnOwner === NEIGHBOUR ? 'of the neighbour' : `of owner ${mfnOwner}`;
      const did = write ? 'wrote' : 'read';
      this.escape = { kind: 'violation', detail: `${engine} ${did} page 0x${gmadr.toString(16)}, memory ${whose}` };
      return;
    }
    const changed = (what: string, at: number): void => {
      if (at >= 0) this.#found('canary', `dword ${at} of ${what} changed`);
    };
    const state = image.at + PAGE_DWORDS;
    changed(
      "the shadow context's own state",
      firstOther(image.words, state + CTX_DWORDS + 1, state + CONTEXT_STATE_AT, CANARY),
    );
    changed('the shadow ring', firstDifference(ring.words, ring.at, this.#ringCopy, ringDwords));
    changed('the shadow batches', firstDifference(arena.words, arena.at, this.#arenaCopy, this.#arenaUsed));
    changed("the neighbour's memory", firstOther(neighbour, 0, 8, CANARY));
  }

  #sweep(): void {
    const { arena } = this.#world;
    if (this.#arenaUsed > 0) arena.words.fill(POISON, arena.at, arena.at + this.#arenaUsed);
    this.#witness.restore();
  }
}
