/**
 * A context that does nothing. Submitted while another runs, it takes the engine from that one at the next point where commands
 * may be broken off, and leaves it idle, with the other's state saved. Source: PRM SKL Vol 7 "Preemption"; i915 of Linux 4.14 to
 * 4.19 preempted in this way.
 */
import { PAGE_DWORDS, PAGE_SIZE } from '../base/index.js';
import { OWNER_MEDIATOR } from '../gpu/index.js';
import {
  CTX,
  CTX_DWORDS,
  CTX_RESTORE_INHIBIT,
  contextPages,
  DESC,
  type EngineId,
  type Platform,
  RING_CTL_VALID,
  writeContextLayout,
} from '../hw/index.js';
import type { HostBuffer, HostGm } from './host-gm.js';

/** Two MI_NOOPs: a tail stands on a quadword. */
const RING_BYTES = 8;
/** A masked register: it has no engine state to load. */
const RESTORE_NOTHING = (CTX_RESTORE_INHIBIT << 16) | CTX_RESTORE_INHIBIT;
const FLAGS =
  DESC.VALID | DESC.FORCE_RESTORE | DESC.LLC_COHERENT | DESC.PRIVILEGE | (DESC.ADDRESSING_64 << DESC.ADDRESSING_SHIFT);

export class IdleContext {
  readonly #image: HostBuffer;
  readonly #ring: HostBuffer;
  readonly #engine: EngineId;

  constructor(platform: Platform, engine: EngineId, gm: HostGm) {
    this.#engine = engine;
    this.#image = gm.allocate(contextPages(engine, platform.gen), OWNER_MEDIATOR);
    this.#ring = gm.allocate(1, OWNER_MEDIATOR);
  }

  /** Puts it at its beginning. @returns its descriptor's low half */
  prepare(): number {
    const { memory, gmadr } = this.#image;
    const { words } = memory;
    const state = memory.at + PAGE_DWORDS;
    words.fill(0, state, state + CTX_DWORDS);
    writeContextLayout(words, state, this.#engine);
    words[state + CTX.CONTEXT_CONTROL] = RESTORE_NOTHING;
    words[state + CTX.RING_TAIL] = RING_BYTES;
    words[state + CTX.RING_START] = this.#ring.gmadr;
    words[state + CTX.RING_CTL] = ((this.#ring.memory.pages - 1) * PAGE_SIZE) | RING_CTL_VALID;
    return (gmadr | FLAGS) >>> 0;
  }
}
