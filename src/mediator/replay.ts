/** Replays a journal into a fresh mediator on a virtual clock and compares the answers: the fastest test of all. */
import { XengtError } from '../base/index.js';
import { platformByName } from '../hw/index.js';
import { JournalReader, ReplayGuest, type ReplayReport } from '../hypervisor/index.js';
import type { MediatorStats, Screen } from './api.js';
import { MediatorCore } from './core.js';

export interface ReplayResult extends ReplayReport {
  readonly stats: MediatorStats;
  readonly violations: number;
  /** What the guest showed at the end. */
  readonly screen: Screen | null;
  /** Why the vGPU went to failsafe, null when it did not. */
  readonly failsafe: string | null;
}

/** @throws XengtError XENGT_E_JOURNAL, XENGT_E_IO for a file that is no journal */
export function replayFile(file: string): ReplayResult {
  const journal = new JournalReader(file);
  const { header } = journal;
  const platform = platformByName(header.platform);
  if (!platform) throw new XengtError('XENGT_E_JOURNAL', `journal ${file}: platform ${header.platform} is not known`);
  const core = new MediatorCore({ platform, apertureBytes: header.apertureBytes });
  core.clock.set(header.startNs);
  core.advance();
  const { type, monitor, ports, grant } = header;
  const { vgpu } = core.create({
    name: 'replay',
    type,
    monitor,
    ports,
    grant,
    scanProcesses: header.scanProcesses ?? 'none',
  });
  const guest = new ReplayGuest(journal, core.gpu.frameBase(header.grant.vgpu));
  vgpu.attach(guest);
  const report = guest.verify(vgpu, core.clock, () => core.advance());
  return {
    ...report,
    stats: core.stats(0),
    violations: core.gpu.oracle.violations,
    screen: vgpu.display.capture(vgpu.memory),
    failsafe: vgpu.reason,
  };
}
