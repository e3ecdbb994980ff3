/**
 * CRCs of the pictures that pipes send, by which a test tells whether two pictures are the same. A CRC is made of the picture
 * when the guest asks for it, once a frame at most; polynomial and layout of the bits are not the hardware's, which are not
 * published: values can be compared with each other and with nothing else.
 * Source of the registers: public i915 display/intel_pipe_crc_regs.h.
 */
import { crc32 } from 'node:zlib';
import { PIPE_COUNT, PIPE_CRC, PIPE_STRIDE, type Platform } from '../../hw/index.js';
import type { Palettes } from './palettes.js';
import type { DisplayHost } from './port.js';
import { captureScreen } from './scanout.js';

/** What a picture takes besides being painted, ns a pixel, and the part of the time that looking may take: others wait meanwhile. */
const PIXEL_NS = 3;
const SHARE = 1 / 3;

/** The whole picture of a pipe. */
const ALL_PLANES = -1;
/** A source that no plane here stands for. */
const NOTHING = -2;

/** Plane that a control register selects. */
function sourceOf({ gen }: Platform, control: number): number {
  const row = gen === 9 ? PIPE_CRC.GEN9_SOURCES[(control >>> 28) & 7] : PIPE_CRC.BDW_SOURCES[(control >>> 29) & 3];
  if (row === undefined) return NOTHING;
  return row === 'pipe' ? ALL_PLANES : row;
}

export class PipeCrcs {
  readonly #host: DisplayHost;
  readonly #palettes: Palettes;
  /** Frame whose CRC the result register holds, of each pipe; and when the next one may be looked at. */
  readonly #frame = new Float64Array(PIPE_COUNT).fill(-1);
  readonly #next = new Float64Array(PIPE_COUNT);

  constructor(host: DisplayHost, palettes: Palettes) {
    this.#host = host;
    this.#palettes = palettes;
  }

  reset(): void {
    this.#frame.fill(-1);
    this.#next.fill(0);
  }

  enabled(pipe: number): boolean {
    return (this.#control(pipe) & PIPE_CRC.ENABLE) !== 0;
  }

  /** Another source, on or off: what was found before does not stand for it. */
  configured(pipe: number): void {
    this.#frame[pipe] = -1;
  }

  /** When the next picture may be looked at: no guest may have the host do that all the time. */
  readyAt(pipe: number): number {
    return this.#next[pipe]!;
  }

  /** What the result register reads in the frame that is number `frame` of the pipe. */
  result(pipe: number, frame: number): number {
    const { bank } = this.#host;
    const at = (PIPE_CRC.RESULT + pipe * PIPE_STRIDE) >>> 2;
    const now = this.#host.now();
    if (this.enabled(pipe) && frame !== this.#frame[pipe] && now >= this.#next[pipe]!) {
      this.#frame[pipe] = frame;
      bank[at] = this.#look(pipe, frame, now);
    }
    return bank[at]!;
  }

  #look(pipe: number, frame: number, now: number): number {
    const source = sourceOf(this.#host.platform, this.#control(pipe));
    const only = source === ALL_PLANES ? undefined : source;
    const { memory } = this.#host;
    const picture = source === NOTHING ? null : captureScreen(this.#host, memory, pipe, this.#palettes.of(pipe), only);
    // Of a picture that cannot be decoded nobody can say that it is like another: it is unlike each.
    if (picture === null) return crc32(Uint32Array.of(frame), 0);
    this.#next[pipe] = now + ((picture.width * picture.height * PIXEL_NS + picture.spent) * this.#pipes()) / SHARE;
    return crc32(picture.rgba, 0);
  }

  /** How many share the time. */
  #pipes(): number {
    let count = 0;
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) if (this.enabled(pipe)) count++;
    return count;
  }

  #control(pipe: number): number {
    return this.#host.bank[(PIPE_CRC.CONTROL + pipe * PIPE_STRIDE) >>> 2]!;
  }
}
