/** Whether the daemon's shadow page tables say what a working guest's own say, and how they were kept in step. */
import type { XenCounts } from '../../../src/mediator/api.js';
import type { XenGuest } from '../guest.js';
import { type Served, vgpuOf } from './scene.js';

/** The guest's CPU goes on writing while its tables are compared; only what stays different is a mistake. */
const ATTEMPTS = 5;

/** Protected: a write to a table is trapped, and a table that is written often is given up. Compared: neither happens. */
export type Followed = 'protected' | 'compared';

export async function followsTables(scene: Served, guest: XenGuest, who: string, how: Followed): Promise<void> {
  const { checks, daemon } = scene;
  const { id } = await vgpuOf(scene, guest);
  let audit = await daemon.api.auditPageTables(id);
  for (let i = 1; i < ATTEMPTS && audit.differing > 0; i++) audit = await daemon.api.auditPageTables(id);
  checks.check(
    `${who}: its shadow page tables, ${how}, are what its own say, entry by entry`,
    audit.differing === 0 && audit.present > 0,
    JSON.stringify(audit),
  );
  const counts = (await daemon.api.stats()).vgpus.find((one) => one.id === id)?.xen;
  const seen = JSON.stringify(counts);
  if (counts === undefined || counts === null) {
    checks.check(`${who}: the daemon counts what it does for the guest`, false, `${seen}`);
  } else if (how === 'compared') {
    checks.check(`${who}: no page table was protected`, !isProtected(counts) && counts.trackedWrites === 0, seen);
  } else {
    checks.check(`${who}: page tables are protected, and writes to them trapped`, isProtected(counts), seen);
    checks.check(`${who}: a page table that is written often is given up`, counts.timesGivenUp > 0, seen);
  }
}

const isProtected = ({ trackedWrites, protectedFrames }: XenCounts): boolean =>
  protectedFrames > 0 && trackedWrites > 0;
