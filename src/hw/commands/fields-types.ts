/** Shape of a named field, and the short forms in which the tables are written. */
import { P, P_ALL, P_BDW_UP, P_GEN9 } from '../platform.js';

export interface CommandField {
  readonly name: string;
  readonly dword: number;
  /** Bit numbers from the low bit of `dword`; above 31 they lie in the next dword. */
  readonly high: number;
  readonly low: number;
  /** address: the bits below `low` are zero, not shifted out. register: likewise, an offset in MMIO space. */
  readonly kind?: 'address' | 'register' | 'enum' | 'bool';
  /** With kind 'enum': what a value means; others are shown as numbers. */
  readonly values?: Readonly<Record<number, string>>;
  /** The field comes again every so many dwords, to the command's end. */
  readonly every?: number;
}

export interface FieldRow {
  readonly commands: readonly string[];
  readonly platforms: number;
  readonly fields: readonly CommandField[];
}

const entry =
  (platforms: number) =>
  (commands: string | readonly string[], ...fields: CommandField[]): FieldRow => ({
    commands: typeof commands === 'string' ? [commands] : commands,
    platforms,
    fields,
  });
/** Fields on all platforms, on Haswell, on Haswell and Broadwell, since Broadwell, on Broadwell, on Gen9. */
export const all = entry(P_ALL);
export const hsw = entry(P.HSW);
export const toBdw = entry(P.HSW | P.BDW);
export const gen8 = entry(P_BDW_UP);
export const bdw = entry(P.BDW);
export const gen9 = entry(P_GEN9);

/** A number. */
export const num = (name: string, dword: number, high = 31, low = 0): CommandField => ({ name, dword, high, low });
/** A single bit. */
export const bit = (name: string, dword: number, at: number): CommandField => ({
  name,
  dword,
  high: at,
  low: at,
  kind: 'bool',
});
/** A number that means something by the list. */
export const pick = (
  name: string,
  dword: number,
  high: number,
  low: number,
  values: Readonly<Record<number, string>>,
): CommandField => ({ name, dword, high, low, kind: 'enum', values });
/** Addresses in one dword and in two, with their lowest bit. */
export const addr32 = (name: string, dword: number, low = 0): CommandField => ({
  name,
  dword,
  high: 31,
  low,
  kind: 'address',
});
export const addr48 = (name: string, dword: number, low = 0): CommandField => ({
  name,
  dword,
  high: 47,
  low,
  kind: 'address',
});
/** An offset of 64 bits from a base. */
export const offset64 = (name: string, dword: number, low: number): CommandField => ({
  name,
  dword,
  high: 63,
  low,
  kind: 'address',
});
export const reg = (name: string, dword: number): CommandField => ({ name, dword, high: 22, low: 2, kind: 'register' });

/** The same fields again every so many dwords. */
export const repeated = (every: number, ...fields: CommandField[]): CommandField[] =>
  fields.map((field) => ({ ...field, every }));
/** `count` fields named 'name 0', 'name 1', ... every so many dwords. */
export const numbered = (count: number, every: number, field: CommandField, first = 0): CommandField[] =>
  Array.from({ length: count }, (_, i) => ({
    ...field,
    name: `${field.name} ${first + i}`,
    dword: field.dword + i * every,
  }));
