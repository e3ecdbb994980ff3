/**
 * The three pipes' clocks. One clock per pipe gives the vertical blank interrupt, the frame counter and the scanline, so
 * that a driver which compares them (as it does for vblank timestamps) never sees them disagree.
 *
 * A pipe needs a timer only while somebody would notice: an unmasked vblank, an unmasked CRC, or a flip whose completion is unmasked. The
 * counters are computed from the time, so a masked vblank costs nothing.
 *
 * Tests that compare pictures want a CRC of each frame. While a guest takes CRCs, its pipe's clock stands at a vblank until the
 * frame's CRC was read and its number asked for, and before the next one until that may be made: on a host that is late there are fewer frames a second, none is lost.
 */
import { NEVER, NS_PER_MS } from '../../base/index.js';
import {
  CONF_ENABLE,
  CONF_STATE,
  DISPLAY_EVENTS,
  type DisplayEventName,
  EDP_INPUT_PIPE,
  INTERRUPT_GROUPS,
  type InterruptEvent,
  IRQ_IER,
  IRQ_IMR,
  PIPE,
  PIPE_COUNT,
  PIPE_STRIDE,
  PLANE_ASYNC_FLIP,
  type Platform,
  TRANS,
  TRANSCODER_EDP,
  TRANSCODERS,
} from '../../hw/index.js';
import type { PipeCrcs } from './crc.js';
import type { DisplayHost } from './port.js';
import { type PipeTiming, timingOf } from './timing.js';

const NO_FLIP = -1;
/** A guest that does not read the CRC that it asked for, or does not ask for the frame's number then, gets the next frame all the same. */
const UNREAD_NS = 1000 * NS_PER_MS;
const UNCOUNTED_NS = 50 * NS_PER_MS;

/** Bit of an event within its group on this platform. */
function rowOf(event: DisplayEventName, platform: Platform): InterruptEvent | undefined {
  return DISPLAY_EVENTS[event].find((entry) => (entry.platforms & platform.bit) !== 0);
}

function maskOf(event: DisplayEventName, platform: Platform): number {
  const row = rowOf(event, platform);
  return row === undefined ? 0 : 1 << row.bit;
}

export interface PipeState {
  /** Index of the transcoder that the pipe feeds; -1 when the pipe is off. */
  readonly transcoder: number;
  readonly timing: PipeTiming | null;
  /** Time since vblank `base`, ns. */
  readonly sinceEpoch: number;
  readonly base: number;
  readonly shown: number;
  readonly armed: boolean;
  readonly seen: number;
  readonly flips: readonly [primary: number, sprite: number];
}

class PipeClock {
  transcoder = -1;
  timing: PipeTiming | null = null;
  /** Time of the vblank that was counted as `base`. */
  epoch = 0;
  base = 0;
  /** Vblanks since the pipe was first enabled, up to `base`. */
  shown = 0;
  armed = false;
  /** Count of the last vblank that was delivered or found not to matter, in vblanks since `epoch`. */
  seen = 0;
  /** Frames go by one by one, each with its CRC; since when the one of the last frame waits to be read, or NEVER. */
  stepped = false;
  heldSince = NEVER;
  /** When it was read: the frame's number is still to be asked for. */
  takenAt = NEVER;
  /** Vblank (since `epoch`) at which a flip completes, or NO_FLIP. */
  primaryAt = NO_FLIP;
  spriteAt = NO_FLIP;

  elapsed(now: number): number {
    if (this.timing === null) return 0;
    const passed = Math.floor((now - this.epoch) / this.timing.period);
    return this.stepped ? Math.min(passed, this.seen) : passed;
  }

  /** Time since the last vblank; less than a period. */
  phase(now: number): number {
    if (this.timing === null || this.heldSince !== NEVER) return 0;
    const { period } = this.timing;
    return Math.min(now - this.epoch - this.elapsed(now) * period, period - 1);
  }

  /** The clock goes on: vblank `seen` was `phase` ago. */
  goOn(now: number, phase: number): void {
    if (this.timing !== null) this.epoch = now - phase - this.seen * this.timing.period;
    this.heldSince = NEVER;
    this.takenAt = NEVER;
  }

  /** From now on each frame waits for its CRC, or no longer. */
  step(stepped: boolean, now: number): void {
    if (stepped === this.stepped) return;
    if (stepped) this.seen = this.elapsed(now);
    else this.goOn(now, this.phase(now));
    this.stepped = stepped;
  }

  dueAt(vblank: number): number {
    return this.timing === null ? NEVER : this.epoch + vblank * this.timing.period;
  }

  /** Folds what has passed into `base`, so that a new period may start at `now`. */
  settle(now: number): void {
    const passed = this.elapsed(now);
    this.base = (this.base + passed) >>> 0;
    this.shown += passed;
    this.epoch = now;
    this.seen = 0;
    this.armed = false;
    this.stepped = false;
    this.heldSince = NEVER;
    this.takenAt = NEVER;
    this.primaryAt = NO_FLIP;
    this.spriteAt = NO_FLIP;
  }
}

export class Pipes {
  readonly #host: DisplayHost;
  readonly #crcs: PipeCrcs;
  readonly #clocks: readonly PipeClock[];
  /** Group of pipe A's events; the other pipes have groups of their own, or their bits `stride` above in the same one. */
  readonly #events: { readonly group: number; readonly stride: number };
  readonly #vblank: number;
  readonly #primaryDone: number;
  readonly #spriteDone: number;
  readonly #crcDone: number;

  constructor(host: DisplayHost, crcs: PipeCrcs) {
    this.#host = host;
    this.#crcs = crcs;
    this.#clocks = Array.from({ length: PIPE_COUNT }, () => new PipeClock());
    const vblank = rowOf('PIPE_VBLANK', host.platform);
    this.#events = { group: vblank?.group ?? 0, stride: vblank?.pipeStride ?? 0 };
    this.#vblank = maskOf('PIPE_VBLANK', host.platform);
    this.#primaryDone = maskOf('PRIMARY_FLIP_DONE', host.platform);
    this.#spriteDone = maskOf('SPRITE_FLIP_DONE', host.platform);
    this.#crcDone = maskOf('PIPE_CRC_DONE', host.platform);
  }

  reset(): void {
    const now = this.#host.now();
    for (const clock of this.#clocks) {
      clock.settle(now);
      clock.transcoder = -1;
      clock.timing = null;
    }
  }

  /** A write to TRANSCONF: the state bit follows the enable bit, and pipes start or stop. */
  configure(offset: number, value: number): void {
    const enabled = (value & CONF_ENABLE) !== 0;
    this.#host.bank[offset >>> 2] = enabled ? value | CONF_STATE : value & ~CONF_STATE;
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) this.#reroute(pipe);
    this.rearm();
  }

  /** Pipe that is shown: the first one that runs; -1 when all are off. */
  get active(): number {
    return this.#clocks.findIndex((clock) => clock.timing !== null);
  }

  isOn(pipe: number): boolean {
    return this.#clocks[pipe]!.timing !== null;
  }

  timing(pipe: number): PipeTiming | null {
    return this.#clocks[pipe]?.timing ?? null;
  }

  transcoder(pipe: number): number {
    return this.#clocks[pipe]?.transcoder ?? -1;
  }

  frameCount(pipe: number): number {
    const clock = this.#clocks[pipe]!;
    return (clock.base + clock.elapsed(this.#host.now())) >>> 0;
  }

  /** Frames scanned out by all pipes. */
  get framesShown(): number {
    const now = this.#host.now();
    return this.#clocks.reduce((sum, clock) => sum + clock.shown + clock.elapsed(now), 0);
  }

  /**
   * The line counter. It counts from the leading edge of horizontal sync, so that it reads one less than the line: at the
   * start of the vertical blank, `vBlankStart - 1`.
   */
  scanline(pipe: number): number {
    const clock = this.#clocks[pipe]!;
    if (clock.timing === null) return 0;
    const { period, vTotal, vBlankStart } = clock.timing;
    return (vBlankStart - 1 + Math.floor((clock.phase(this.#host.now()) * vTotal) / period)) % vTotal;
  }

  /** A surface address was written: shown from the next vblank on, or at once when the plane is flipped asynchronously. */
  flip(pipe: number, primary: boolean, async: boolean): void {
    const clock = this.#clocks[pipe]!;
    if (clock.timing === null) return;
    if (async) {
      this.#host.raise(primary ? 'PRIMARY_FLIP_DONE' : 'SPRITE_FLIP_DONE', pipe);
      return;
    }
    const at = clock.elapsed(this.#host.now()) + 1;
    if (primary) clock.primaryAt = at;
    else clock.spriteAt = at;
    this.rearm();
  }

  /** True when the plane's control register asks for flips without waiting for a vblank. */
  flipsAsync(pipe: number, primary: boolean): boolean {
    const control = (primary ? PIPE.PLANE_CTL : PIPE.SPRITE_CTL) + pipe * PIPE_STRIDE;
    return (this.#host.bank[control >>> 2]! & PLANE_ASYNC_FLIP) !== 0;
  }

  /** When `advance` has something to do. */
  nextDue(): number {
    let due = NEVER;
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) {
      const clock = this.#clocks[pipe]!;
      if (clock.armed && clock.timing !== null) due = Math.min(due, this.#dueOf(pipe, clock));
    }
    return due;
  }

  /** When the next vblank of a pipe is, or the frame no longer waits for its CRC to be read. */
  #dueOf(pipe: number, clock: PipeClock): number {
    if (!clock.stepped) return clock.dueAt(clock.seen + 1);
    if (clock.heldSince !== NEVER) return Math.min(clock.heldSince + UNREAD_NS, clock.takenAt + UNCOUNTED_NS);
    return Math.max(clock.dueAt(clock.seen + 1), this.#crcs.readyAt(pipe));
  }

  /** The guest has read the CRC of the last frame. */
  crcTaken(pipe: number): void {
    const clock = this.#clocks[pipe]!;
    if (clock.heldSince !== NEVER && clock.takenAt === NEVER) clock.takenAt = this.#host.now();
  }

  /** The guest asks which frame it is. It does so when it has read a CRC; then a whole frame begins. */
  countFrames(pipe: number): number {
    const clock = this.#clocks[pipe]!;
    if (clock.takenAt !== NEVER) clock.goOn(this.#host.now(), 0);
    return this.frameCount(pipe);
  }

  /**
   * Finds out anew for which pipes somebody waits: after a flip, after a pipe was switched, and after interrupt masks
   * changed. Until then a pipe's vblanks cost nothing.
   */
  rearm(): void {
    const now = this.#host.now();
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) {
      const clock = this.#clocks[pipe]!;
      if (clock.timing === null) continue;
      const open = this.#open(pipe);
      const crcs = (open & this.#crcDone) !== 0 && this.#crcs.enabled(pipe);
      clock.step(crcs, now);
      const passed = clock.elapsed(now);
      // what nobody was waiting for when it happened is over
      if (!clock.armed) clock.seen = passed;
      if (clock.primaryAt <= clock.seen) clock.primaryAt = NO_FLIP;
      if (clock.spriteAt <= clock.seen) clock.spriteAt = NO_FLIP;
      clock.armed =
        (open & this.#vblank) !== 0 ||
        crcs ||
        (clock.primaryAt !== NO_FLIP && (open & this.#primaryDone) !== 0) ||
        (clock.spriteAt !== NO_FLIP && (open & this.#spriteDone) !== 0);
    }
  }

  /** Delivers the vblanks and flips that are due at `now`. Vblanks that were missed together are one interrupt. */
  advance(now: number): void {
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) {
      const clock = this.#clocks[pipe]!;
      if (!clock.armed || clock.timing === null || now < this.#dueOf(pipe, clock)) continue;
      if (clock.heldSince !== NEVER) {
        clock.goOn(now, 0);
        continue;
      }
      if (clock.stepped) {
        clock.seen++;
        clock.heldSince = now;
      } else clock.seen = clock.elapsed(now);
      this.#host.raise('PIPE_VBLANK', pipe);
      if (clock.stepped) this.#host.raise('PIPE_CRC_DONE', pipe);
      if (clock.primaryAt !== NO_FLIP && clock.primaryAt <= clock.seen) {
        clock.primaryAt = NO_FLIP;
        this.#host.raise('PRIMARY_FLIP_DONE', pipe);
      }
      if (clock.spriteAt !== NO_FLIP && clock.spriteAt <= clock.seen) {
        clock.spriteAt = NO_FLIP;
        this.#host.raise('SPRITE_FLIP_DONE', pipe);
      }
    }
    this.rearm();
  }

  save(): PipeState[] {
    const now = this.#host.now();
    return this.#clocks.map((clock) => ({
      transcoder: clock.transcoder,
      timing: clock.timing,
      sinceEpoch: now - clock.epoch,
      base: clock.base,
      shown: clock.shown,
      armed: clock.armed,
      seen: clock.seen,
      flips: [clock.primaryAt, clock.spriteAt],
    }));
  }

  restore(states: readonly PipeState[]): void {
    const now = this.#host.now();
    states.forEach((state, pipe) => {
      const clock = this.#clocks[pipe]!;
      clock.transcoder = state.transcoder;
      clock.timing = state.timing;
      clock.epoch = now - state.sinceEpoch;
      clock.base = state.base;
      clock.shown = state.shown;
      clock.armed = state.armed;
      clock.seen = state.seen;
      [clock.primaryAt, clock.spriteAt] = state.flips;
      clock.stepped = clock.armed && (this.#open(pipe) & this.#crcDone) !== 0 && this.#crcs.enabled(pipe);
      clock.heldSince = NEVER;
      clock.takenAt = NEVER;
    });
  }

  /** Interrupts of the pipe that would reach the guest. */
  #open(pipe: number): number {
    const { group, stride } = this.#events;
    const { base } = INTERRUPT_GROUPS[stride === 0 ? group + pipe : group]!;
    const open = ~this.#host.bank[(base + IRQ_IMR) >>> 2]! & this.#host.bank[(base + IRQ_IER) >>> 2]!;
    return open >>> (stride * pipe);
  }

  #isEnabled(transcoder: number): boolean {
    return (this.#host.bank[TRANSCODERS[transcoder]!.conf >>> 2]! & CONF_ENABLE) !== 0;
  }

  #feeds(pipe: number): number {
    if (this.#isEnabled(pipe)) return pipe;
    if (!this.#isEnabled(TRANSCODER_EDP)) return -1;
    const func = this.#host.bank[(TRANSCODERS[TRANSCODER_EDP]!.timing + TRANS.DDI_FUNC_CTL) >>> 2]!;
    return EDP_INPUT_PIPE[(func >>> 12) & 7] === pipe ? TRANSCODER_EDP : -1;
  }

  /** Starts, stops or re-times a pipe after a transcoder changed. */
  #reroute(pipe: number): void {
    const clock = this.#clocks[pipe]!;
    const transcoder = this.#feeds(pipe);
    const timing = transcoder < 0 ? null : timingOf(this.#host.bank, this.#host.platform, transcoder);
    const same =
      transcoder === clock.transcoder &&
      timing?.period === clock.timing?.period &&
      timing?.vTotal === clock.timing?.vTotal &&
      timing?.vBlankStart === clock.timing?.vBlankStart;
    if (same) return;
    clock.settle(this.#host.now());
    clock.transcoder = transcoder;
    clock.timing = timing;
  }
}
