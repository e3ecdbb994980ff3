/** Tells the command scanner, which does not know register rows, what their flags say of commands. */
import { CMD_ACCESS, CMD_PATCH } from '../cmd-parser/index.js';
import { R } from '../hw/index.js';
import { MMIO_DWORDS, type Policy } from '../mmio/index.js';

/** Per register dword: whether commands may touch it, and whether a command's write goes through its handler. */
export function commandAccess<C>(policy: Policy<C>): Uint8Array {
  const access = new Uint8Array(MMIO_DWORDS);
  for (let at = 0; at < MMIO_DWORDS; at++) {
    const flags = policy.flags[policy.rowOf[at]!]!;
    if ((flags & R.CMD) === 0) continue;
    access[at] = (flags & R.CMD_PATCH) === 0 ? CMD_ACCESS : CMD_ACCESS | CMD_PATCH;
  }
  return access;
}
