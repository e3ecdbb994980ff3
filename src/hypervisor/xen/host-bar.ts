/** A BAR of a physical device as dom0 sees it: where its memory is, by machine frame. */
import { readFileSync } from 'node:fs';
import { PAGE_SIZE, reasonOf, XengtError } from '../../base/index.js';

/** Slot and BAR, as in `0000:00:05.0/2`. */
export const HOST_BAR = /^([0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7])\/([0-5])$/;
/** Resource flag of memory (linux/ioport.h, IORESOURCE_MEM). */
const MEMORY = 0x200n;

export interface HostBar {
  readonly mfn: number;
  readonly bytes: number;
}

/**
 * In a PV dom0 the addresses of the kernel's resources are machine addresses.
 * @param name as HOST_BAR has it
 * @throws XengtError XENGT_E_CONFIG where there is no such memory
 */
export function hostBar(name: string, devices = '/sys/bus/pci/devices'): HostBar {
  const [, slot, bar] = HOST_BAR.exec(name) ?? [];
  if (slot === undefined) throw refused(name, 'not a slot and a BAR such as 0000:00:02.0/2');
  let lines: string[];
  try {
    lines = readFileSync(`${devices}/${slot}/resource`, 'utf8').split('\n');
  } catch (error) {
    throw refused(name, reasonOf(error));
  }
  const match = /^(0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$/.exec(lines[Number(bar)] ?? '');
  const [start, last, flags] = match === null ? [0n, 0n, 0n] : match.slice(1).map(BigInt);
  if (start === undefined || last === undefined || flags === undefined || (flags & MEMORY) === 0n || last <= start) {
    throw refused(name, 'this BAR is no memory');
  }
  const bytes = Number(last - start) + 1;
  if (start % BigInt(PAGE_SIZE) !== 0n || bytes % PAGE_SIZE !== 0) throw refused(name, 'this BAR is no whole pages');
  return { mfn: Number(start / BigInt(PAGE_SIZE)), bytes };
}

function refused(name: string, why: string): XengtError {
  return new XengtError('XENGT_E_CONFIG', `apertureBar: ${name}: ${why}`);
}
