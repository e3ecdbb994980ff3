/** Whoever answers, in a case, for registers and roots that the scanner asks about: always the same, whatever the guest wants. */
import type { RootTranslator } from '../src/cmd-parser/index.js';
import { ENGINES, type EngineId, RING } from '../src/hw/index.js';

export interface ShadowRoot {
  readonly lo: number;
  readonly hi: number;
}

/** RING_MODE: no bit is enabled to change. A slot of FORCE_TO_NONPRIV: the register that does nothing. */
export function answerFor(engine: EngineId, offset: number): number {
  const { mmioBase } = ENGINES[engine]!;
  return offset === mmioBase + RING.MODE ? 0 : mmioBase + RING.NOPID;
}

/** One root has a shadow, the others none. */
export class RootAnswer implements RootTranslator {
  lo: number;
  hi: number;
  readonly #root: ShadowRoot;
  constructor(root: ShadowRoot) {
    this.#root = root;
    this.lo = root.lo;
    this.hi = root.hi;
  }
  translate(pdp: number): boolean {
    this.lo = pdp === 0 ? this.#root.lo : 0;
    this.hi = pdp === 0 ? this.#root.hi : 0;
    return true;
  }
}
