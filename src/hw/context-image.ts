/**
 * Layout of the logical ring context image: page 0 is the per-process status page, page 1 starts with the register state,
 * the rest is the engine's own. The register state is a list of (register offset, value) pairs behind LRI headers.
 * Source: PRM BDW Vol 7 "Logical Ring Context Format"; public i915 intel_lrc_reg.h.
 */
import { ENGINES, type EngineId, RCS, RING } from './engines.js';

/** Dword index, in the register-state page, of each register's value. The register's offset stands one dword before. */
export const CTX = {
  CONTEXT_CONTROL: 0x03,
  RING_HEAD: 0x05,
  RING_TAIL: 0x07,
  RING_START: 0x09,
  RING_CTL: 0x0b,
  BB_HEAD_UDW: 0x0d,
  BB_HEAD_LDW: 0x0f,
  BB_STATE: 0x11,
  SECOND_BB_HEAD_UDW: 0x13,
  SECOND_BB_HEAD_LDW: 0x15,
  SECOND_BB_STATE: 0x17,
  BB_PER_CTX_PTR: 0x19,
  INDIRECT_CTX: 0x1b,
  INDIRECT_CTX_OFFSET: 0x1d,
  CTX_TIMESTAMP: 0x23,
  PDP3_UDW: 0x25,
  PDP3_LDW: 0x27,
  PDP2_UDW: 0x29,
  PDP2_LDW: 0x2b,
  PDP1_UDW: 0x2d,
  PDP1_LDW: 0x2f,
  PDP0_UDW: 0x31,
  PDP0_LDW: 0x33,
} as const;

/** Dwords of the register state that this table describes; what follows is the engine's own. */
export const CTX_DWORDS = 0x34;

/** [UDW, LDW] value indices of page directory pointer 0 to 3. */
export const CTX_PDPS: readonly (readonly [udw: number, ldw: number])[] = [
  [CTX.PDP0_UDW, CTX.PDP0_LDW],
  [CTX.PDP1_UDW, CTX.PDP1_LDW],
  [CTX.PDP2_UDW, CTX.PDP2_LDW],
  [CTX.PDP3_UDW, CTX.PDP3_LDW],
];

const LRI_FORCE_POSTED = 1 << 12;
const lri = (registers: number): number => (0x11000000 | LRI_FORCE_POSTED | (2 * registers - 1)) >>> 0;

/** Value index and register (relative to the engine's base) of each pair; the last three of the first group are the RCS's only. */
const FIRST: readonly (readonly [number, number])[] = [
  [CTX.CONTEXT_CONTROL, RING.CONTEXT_CONTROL],
  [CTX.RING_HEAD, RING.HEAD],
  [CTX.RING_TAIL, RING.TAIL],
  [CTX.RING_START, RING.START],
  [CTX.RING_CTL, RING.CTL],
  [CTX.BB_HEAD_UDW, RING.BBADDR_UDW],
  [CTX.BB_HEAD_LDW, RING.BBADDR],
  [CTX.BB_STATE, RING.BBSTATE],
  [CTX.SECOND_BB_HEAD_UDW, 0x11c],
  [CTX.SECOND_BB_HEAD_LDW, 0x114],
  [CTX.SECOND_BB_STATE, 0x118],
  [CTX.BB_PER_CTX_PTR, RING.BB_PER_CTX_PTR],
  [CTX.INDIRECT_CTX, RING.INDIRECT_CTX],
  [CTX.INDIRECT_CTX_OFFSET, RING.INDIRECT_CTX_OFFSET],
];
const SECOND: readonly (readonly [number, number])[] = [
  [CTX.CTX_TIMESTAMP, RING.CTX_TIMESTAMP],
  ...[3, 2, 1, 0].flatMap((i): [number, number][] => [
    [CTX_PDPS[i]![0], RING.PDP0_UDW + 8 * i],
    [CTX_PDPS[i]![1], RING.PDP0_LDW + 8 * i],
  ]),
];
const XCS_FIRST = 11;

/**
 * Writes headers and register offsets of an engine's register state, values untouched, so that an image restores exactly
 * these registers whatever stood there.
 * @param at dword index of the register-state page within `words`
 */
export function writeContextLayout(words: Uint32Array, at: number, engine: EngineId): void {
  const base = ENGINES[engine]!.mmioBase;
  const first = engine === RCS ? FIRST : FIRST.slice(0, XCS_FIRST);
  words[at] = 0;
  words[at + 1] = lri(first.length);
  words[at + 0x21] = lri(SECOND.length);
  for (const [index, register] of [...first, ...SECOND]) words[at + index - 1] = base + register;
}

/** Context control: bit 0 inhibits the restore of the engine's own state, bit 3 the synchronous context switch. */
export const CTX_RESTORE_INHIBIT = 1;

/** Descriptor, low half. */
export const DESC = {
  VALID: 1,
  FORCE_PD_RESTORE: 2,
  FORCE_RESTORE: 4,
  ADDRESSING_SHIFT: 3,
  ADDRESSING_MASK: 3,
  ADDRESSING_32: 1,
  ADDRESSING_64: 3,
  LLC_COHERENT: 0x20,
  PRIVILEGE: 0x100,
  LRCA_MASK: 0xfffff000,
} as const;

/** Of the generations with logical ring contexts: 8 and 9. */
export function contextPages(engine: EngineId, gen: number): number {
  const { contextPages: pages } = ENGINES[engine]!;
  return gen === 9 ? pages.gen9 : pages.gen8;
}
