/**
 * A recorded load: a journal of a real guest is replayed on the deterministic core, and how long each of its workloads ran, and
 * how long after the end of the last one it was submitted, becomes a load that can be run again and again.
 */
import { XengtError } from '../src/base/index.js';
import { platformByName, RCS } from '../src/hw/index.js';
import { JournalReader, ReplayGuest } from '../src/hypervisor/index.js';
import { MediatorCore } from '../src/mediator/index.js';
import type { RecordedWorkload } from './loads.js';

/** A guest that thought for longer was idle: in the simulation it goes on sooner, so that something happens. */
const LONGEST_THINK_NS = 20e6;

/** @throws XengtError XENGT_E_JOURNAL, XENGT_E_IO for a file that is no journal, or in which the engine did nothing */
export function recordedWorkloads(file: string): RecordedWorkload[] {
  const journal = new JournalReader(file);
  const { platform: name, apertureBytes, startNs, type, monitor, grant, scanProcesses } = journal.header;
  const platform = platformByName(name);
  if (!platform) throw new XengtError('XENGT_E_JOURNAL', `journal ${file}: platform ${name} is not known`);
  const core = new MediatorCore({ platform, apertureBytes });
  core.clock.set(startNs);
  core.advance();
  const { vgpu } = core.create({ name: 'recorded', type, monitor, grant, scanProcesses: scanProcesses ?? 'none' });
  const guest = new ReplayGuest(journal, core.gpu.frameBase(grant.vgpu));
  vgpu.attach(guest);

  const recorded: RecordedWorkload[] = [];
  const { arbiter } = core;
  const submit = arbiter.submit.bind(arbiter);
  const done = vgpu.workloadDone.bind(vgpu);
  let ended = startNs;
  let thinkNs = 0;
  let before = 0;
  arbiter.submit = (workload) => {
    if (workload.engine === RCS) thinkNs = Math.min(LONGEST_THINK_NS, core.clock.now() - ended);
    submit(workload);
  };
  vgpu.workloadDone = (engine, ...rest) => {
    if (engine === RCS) {
      const ran = arbiter.busySeconds(vgpu.id, RCS) * 1e9;
      recorded.push({ ranNs: ran - before, thinkNs });
      before = ran;
      ended = core.clock.now();
    }
    done(engine, ...rest);
  };
  guest.verify(vgpu, core.clock, () => core.advance());
  if (recorded.length === 0) throw new XengtError('XENGT_E_JOURNAL', `journal ${file}: the render engine did nothing`);
  return recorded;
}
