import type { Engine } from '../engine.js';

/**
 * Carries out one command. The engine already points behind it.
 * @param dw the command's dwords, the header first; overwritten by the next command
 * @returns what it costs in engine time, ns
 */
export type Executor = (engine: Engine, dw: Uint32Array, length: number) => number;
