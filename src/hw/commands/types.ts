/**
 * Shape of a command row: one command of the Gen8/Gen9 command streamers. Rows are compiled per platform and engine into
 * flat typed arrays (compile.ts); the same rows drive the scanner, the GPU model and the human decoder.
 * Sources: Intel PRM BDW/SKL Vol 2a "Command Reference: Instructions" and Vol 2b/2c media; Mesa's genxml (gen8, gen9).
 */
import { BCS, type EngineId, RCS, VCS, VCS2, VECS } from '../engines.js';
import { P_BDW_UP } from '../platform.js';

/** Bit sets for `engines` columns. */
export const E = {
  RCS: 1 << RCS,
  BCS: 1 << BCS,
  VCS: (1 << VCS) | (1 << VCS2),
  VECS: 1 << VECS,
  ALL: (1 << RCS) | (1 << BCS) | (1 << VCS) | (1 << VCS2) | (1 << VECS),
} as const;

export const engineBit = (engine: EngineId): number => 1 << engine;

/** What a command costs a GPU model: the kind of work that it starts, if any. */
export type CostClass = 'mi' | '3dprim' | 'gpgpu' | 'media' | 'blit' | 'state';

/**
 * What must happen when the command is found in a privileged buffer. The list is closed: whoever gives them behaviour
 * (src/cmd-parser) is checked by the compiler to cover all of them. 0 in the compiled table means: nothing.
 */
export const COMMAND_HANDLERS = [
  'plain',
  'refuse',
  'userInterrupt',
  'waitForEvent',
  'loadScanLines',
  'displayFlip',
  'batchBufferEnd',
  'batchBufferStart',
  'conditionalEnd',
  'setPredicate',
  'semaphoreWait',
  'storeDataImm',
  'loadRegisterImm',
  'storeRegisterMem',
  'loadRegisterMem',
  'loadRegisterReg',
  'flushDw',
  'clflush',
  'reportPerfCount',
  'copyMemMem',
  'atomic',
  'pipeControl',
] as const;
export type CommandHandler = (typeof COMMAND_HANDLERS)[number];

/** Total dwords = (low `width` bits of the header) + `bias`; a fixed length has width 0. */
export interface LengthRule {
  readonly width: number;
  readonly bias: number;
  /** Totals that the command streamer defines for this command, ascending. Absent: any total that the field can say. */
  readonly totals?: readonly number[];
}

export interface CommandRow {
  readonly name: string;
  /** Header with all operand bits clear. */
  readonly header: number;
  /** How many top bits of the header are opcode: 9 for MI, 10 for 2D, 16 for 3D, media and video. */
  readonly bits: 9 | 10 | 16;
  /** Bit set of E.*. */
  readonly engines: number;
  /** Bit set of P.*. */
  readonly platforms: number;
  readonly length: LengthRule;
  readonly cost: CostClass;
  readonly handler?: CommandHandler;
  /** Dwords that hold (the low half of) a graphics address. */
  readonly addresses?: readonly number[];
}

type Extra = Partial<Pick<CommandRow, 'engines' | 'platforms' | 'cost' | 'handler' | 'addresses'>>;

export const fixed = (dwords: number): LengthRule => ({ width: 0, bias: dwords });
export const field = (width: number, ...totals: number[]): LengthRule =>
  totals.length === 0 ? { width, bias: 2 } : { width, bias: 2, totals };

const row = (bits: 9 | 10 | 16, opcode: number, name: string, length: LengthRule, extra: Extra, base: Extra) => ({
  name,
  bits,
  header: (opcode << (32 - bits)) >>> 0,
  length,
  engines: E.ALL,
  platforms: P_BDW_UP,
  cost: 'state' as const,
  ...base,
  ...extra,
});

/** An MI command by its 6-bit opcode (type 0). */
export const mi = (opcode: number, name: string, length: LengthRule, extra: Extra = {}): CommandRow =>
  row(9, opcode, name, length, extra, { cost: 'mi' });

/** A 2D command by its 7-bit opcode (type 2). */
export const blt = (opcode: number, name: string, length: LengthRule, extra: Extra = {}): CommandRow =>
  row(10, 0x100 | opcode, name, length, extra, { engines: E.BCS, cost: 'blit' });

/** A 3D, media or video command by its upper 16 bits (type 3). */
export const gfx =
  (base: Extra, length: LengthRule) =>
  (opcode: number, name: string, extra: Extra & { length?: LengthRule } = {}): CommandRow => {
    const { length: own, ...rest } = extra;
    return row(16, opcode, name, own ?? length, rest, base);
  };
