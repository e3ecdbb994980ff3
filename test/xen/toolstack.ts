/** What Xen's toolstack in dom0 sees of guests, to be compared before and after. */
import type { Machine } from './boot.js';

export interface Toolstack {
  /** One line a domain: name and id, also of dying ones that something still holds, without a name. */
  readonly domains: readonly string[];
  /** All of xenstore: path = value. */
  readonly store: readonly string[];
  readonly freeMiB: number;
}

/** A dying domain is "(null)" in xl's list for as long as anybody maps its memory. */
export async function toolstack(machine: Machine): Promise<Toolstack> {
  const list = await machine.must('xl list');
  const store = await machine.must('xenstore-ls -f /');
  const free = await machine.must("xl info | sed -n 's/^free_memory *: *//p'");
  const domains = list.slice(1).map((line) => line.split(/\s+/).slice(0, 2).join(' '));
  return { domains, store, freeMiB: Number(free[0]) };
}

/** Lines of one list that the other does not have. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  const lost = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return [...lost, ...added];
}
