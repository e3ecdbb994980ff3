/** What Xen's toolstack in dom0 sees of guests, to be compared before and after. */
import { XengtError } from '../../src/base/index.js';
import type { Machine } from './boot.js';

export interface Toolstack {
  /** One line a domain: name and id, also of dying ones that something still holds, without a name. */
  readonly domains: readonly string[];
  /** All of xenstore: path = value. */
  readonly store: readonly string[];
  /** Of all domains, with what they claimed, as Xen itself tells. */
  readonly ioreqServers: readonly string[];
  readonly freeMiB: number;
}

/** Debug key `q` has Xen print all domains to its log, with each ioreq server's ranges. */
async function ioreqServers(machine: Machine): Promise<string[]> {
  const log = await machine.must('xl dmesg -c >/dev/null; xl debug-keys q; sleep 1; xl dmesg');
  const found: string[] = [];
  let domain = '';
  let asked = false;
  for (const line of log) {
    if (line.includes("'q' pressed")) asked = true;
    domain = /General information for domain (\d+)/.exec(line)?.[1] ?? domain;
    const server = /ioreq_server (\d+) pci \{(.*)\}/.exec(line);
    if (server !== null) found.push(`domain ${domain}: server ${server[1]}, PCI${server[2]?.trimEnd()}`);
  }
  if (!asked || domain === '') throw new XengtError('XENGT_E_IO', "Xen's log does not have what debug key q prints");
  return found;
}

/** A dying domain is "(null)" in xl's list for as long as anybody maps its memory. */
export async function toolstack(machine: Machine): Promise<Toolstack> {
  const list = await machine.must('xl list');
  const store = await machine.must('xenstore-ls -f /');
  const free = await machine.must("xl info | sed -n 's/^free_memory *: *//p'");
  const domains = list.slice(1).map((line) => line.split(/\s+/).slice(0, 2).join(' '));
  return { domains, store, ioreqServers: await ioreqServers(machine), freeMiB: Number(free[0]) };
}

/** Lines of one list that the other does not have. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  const lost = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return [...lost, ...added];
}
