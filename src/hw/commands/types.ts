/**
 * Shape of a command row: one command of the Gen7.5 to Gen9 command streamers. Rows are compiled per platform and engine
 * into flat typed arrays (compile.ts); the same rows drive the scanner, the GPU model and the human decoder. A command whose
 * length or operand positions differ between platforms has a row for each form: nobody asks for the generation.
 * Sources: Intel PRM HSW/BDW/SKL Vol 2a "Command Reference: Instructions" and Vol 2b/2c media; Mesa's genxml (gen75, gen8, gen9).
 */
import { BCS, type EngineId, RCS, VCS, VCS2, VECS } from '../engines.js';
import { P_ALL } from '../platform.js';

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
  'arbitration',
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
  'setContext',
  'storeDataIndex',
] as const;
export type CommandHandler = (typeof COMMAND_HANDLERS)[number];

/** Total dwords = (low `width` bits of the header) + `bias`; a fixed length has width 0. */
export interface LengthRule {
  readonly width: number;
  readonly bias: number;
  /** Totals that the command streamer defines for this command, ascending. Absent: any total that the field can say. */
  readonly totals?: readonly number[];
}

/** A bit of the command: its dword, and its number there. */
export interface BitPosition {
  readonly dword: number;
  readonly bit: number;
}

/**
 * How far an access reaches from its address, where the command's operands say so. The list is closed, as COMMAND_HANDLERS:
 * - postSync: a dword or a quadword, none without a post-sync operation
 * - dataDwords: the immediate data of MI_STORE_DATA_IMM
 * - atomicOperand: 4, 8 or 16 bytes by the data size
 * - batch: what is executed there, to the command that ends it
 * - context: a logical context's image
 * - blitDestination, blitSource: the rectangle with its pitch; text and mono sources by their bits
 * - endAddress: to the address in dword `bound`, inclusive
 * - byteSize: as many bytes as dword `bound` says
 * - constantBuffers: by the read length of the same index, in units of 32 bytes
 * - surface: by format, size, pitch and tiling in the same command
 * - state: not said by this command, e.g. a base that later commands add offsets to
 */
export const EXTENT_RULES = [
  'postSync',
  'dataDwords',
  'atomicOperand',
  'batch',
  'context',
  'blitDestination',
  'blitSource',
  'endAddress',
  'byteSize',
  'constantBuffers',
  'surface',
  'state',
] as const;
export type ExtentRule = (typeof EXTENT_RULES)[number];

/** A graphics address among the operands. A position beyond the length of the command at hand is not there. */
export interface AddressOperand {
  /** The dword that holds it, or its low half. */
  readonly dword: number;
  /** 48: bits 47:32 are in the low half of the next dword. */
  readonly bits: 32 | 48;
  readonly space: 'ppgtt' | 'ggtt' | 'select';
  /** With space 'select': the bit that chooses the global GTT, when set unless `ppgttWhenSet`. */
  readonly select?: BitPosition & { readonly ppgttWhenSet?: true };
  /** Bytes; the address bits below are other operands or zero. */
  readonly align: number;
  /** What one execution touches at most: bytes, or a rule. */
  readonly extent: number | ExtentRule;
  readonly access: 'read' | 'write' | 'modify' | 'execute';
  /** With extents endAddress and byteSize: the dword that says it. */
  readonly bound?: number;
  /** The operand (and its bound) comes again every so many dwords, `times` times or to the command's end. */
  readonly every?: number;
  readonly times?: number;
}

/** A dword that holds a register's offset. */
export interface RegisterOperand {
  readonly dword: number;
  /** immediatePairs: offset and value by turns to the command's end, each a write. */
  readonly access: 'read' | 'write' | 'immediatePairs';
  /** Only while this bit is set. */
  readonly when?: BitPosition;
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
  readonly addresses?: readonly AddressOperand[];
  readonly registers?: readonly RegisterOperand[];
}

type Extra = Partial<Pick<CommandRow, 'engines' | 'platforms' | 'cost' | 'handler' | 'addresses' | 'registers'>>;

export const fixed = (dwords: number): LengthRule => ({ width: 0, bias: dwords });
export const field = (width: number, ...totals: number[]): LengthRule =>
  totals.length === 0 ? { width, bias: 2 } : { width, bias: 2, totals };

/** Every total from `first` to `last`. */
export const between = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

type Operand = Partial<Omit<AddressOperand, 'dword' | 'bits'>>;
const operand =
  (bits: 32 | 48) =>
  (dword: number, extra: Operand = {}): AddressOperand => ({
    dword,
    bits,
    space: extra.select === undefined ? 'ppgtt' : 'select',
    align: 1,
    extent: 'state',
    access: 'read',
    ...extra,
  });
/** An address in one dword, and one in two: by default per process, byte-aligned, read, of an extent that is said elsewhere. */
export const addr32 = operand(32);
export const addr48 = operand(48);

const row = (bits: 9 | 10 | 16, opcode: number, name: string, length: LengthRule, extra: Extra, base: Extra) => ({
  name,
  bits,
  header: (opcode << (32 - bits)) >>> 0,
  length,
  engines: E.ALL,
  platforms: P_ALL,
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
