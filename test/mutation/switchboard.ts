/** Which mutation is on, and what a run has passed: shared by the instrumented files and by what runs their tests. */

/** A loop that turns more often than it may. */
export class EndlessLoop extends Error {
  constructor() {
    super('a loop turns far more often than without the mutation');
    this.name = 'EndlessLoop';
  }
}

export class Switchboard {
  /** The one site that is switched, -1 for none, and which of its variants stands there. */
  site = -1;
  variant = 0;
  /** By site: 1 when it was passed. */
  readonly passed: Uint8Array;
  /** Turns of loops that are left. */
  turns = 0;
  /** Whether they ran out. */
  overrun = false;

  constructor(sites: number) {
    this.passed = new Uint8Array(sites);
  }

  endless(): never {
    this.overrun = true;
    throw new EndlessLoop();
  }
}

/** Name of the board in the global scope, where instrumented files find it whoever loads them. */
export const BOARD = '__mutationSwitchboard';

export function installBoard(sites: number): Switchboard {
  const board = new Switchboard(sites);
  Object.defineProperty(globalThis, BOARD, { value: board, configurable: true });
  return board;
}
