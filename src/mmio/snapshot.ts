/** Registers as bytes and back. Little-endian dwords: header, sideband, then a pair of index and value per dword not zero. */
import { XengtError } from '../base/index.js';

/** "XREG" */
const MAGIC = 0x47455258;
const VERSION = 1;
const HEADER = 4;

/** Dwords of sideband state: 64 pairs of key and value. */
export const SIDEBAND_DWORDS = 128;

export function writeSnapshot(platformBit: number, bank: Uint32Array, sideband: Uint32Array): Uint8Array {
  let used = 0;
  for (let at = 0; at < bank.length; at++) if (bank[at] !== 0) used++;
  const bytes = new Uint8Array(4 * (HEADER + SIDEBAND_DWORDS + 2 * used));
  const view = new DataView(bytes.buffer);
  let to = 0;
  const put = (value: number): void => {
    view.setUint32(to, value, true);
    to += 4;
  };
  put(MAGIC);
  put(VERSION);
  put(platformBit);
  put(used);
  for (const value of sideband) put(value);
  for (let at = 0; at < bank.length; at++) {
    const value = bank[at]!;
    if (value === 0) continue;
    put(at);
    put(value);
  }
  return bytes;
}

const refuse = (why: string): never => {
  throw new XengtError('XENGT_E_JOURNAL', `The saved registers ${why}.`);
};

/**
 * Fills `bank` and `sideband`. Everything is checked first, so that a damaged snapshot changes nothing.
 * @throws XengtError XENGT_E_JOURNAL when the bytes are not a snapshot of this version and platform
 */
export function readSnapshot(bytes: Uint8Array, platformBit: number, bank: Uint32Array, sideband: Uint32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dword = (index: number): number => view.getUint32(4 * index, true);
  if (bytes.length < 4 * HEADER || dword(0) !== MAGIC) refuse('are not a register snapshot');
  if (dword(1) !== VERSION) refuse(`are of version ${dword(1)}, this is version ${VERSION}`);
  if (dword(2) !== platformBit) refuse('are of another platform');
  const used = dword(3);
  const pairs = HEADER + SIDEBAND_DWORDS;
  if (bytes.length !== 4 * (pairs + 2 * used)) refuse('are cut short');
  for (let n = 0; n < used; n++) if (dword(pairs + 2 * n) >= bank.length) refuse('name a register outside the window');
  for (let n = 0; n < SIDEBAND_DWORDS; n++) sideband[n] = dword(HEADER + n);
  bank.fill(0);
  for (let n = 0; n < used; n++) bank[dword(pairs + 2 * n)] = dword(pairs + 2 * n + 1);
}
