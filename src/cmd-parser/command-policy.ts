/**
 * What each command may do, by how far its stream is trusted. One row per kind of command (the `handler` column of the
 * command rows) and, where a single command deviates, one row by its name.
 *
 * - ring: ring contents and privileged (GGTT) batches. They run with privilege, so every way out of the own context counts.
 * - wa: indirect context and per-context buffers: like a ring, but inside a context switch, so nothing there may jump.
 * - ppgtt: a batch in a per-process address space on Gen8+, which the hardware isolates. Judged where the operator asks for
 *   it, and always on engines whose hardware does not check registers (Gen9 BCS, CVE-2019-0155).
 * - haswell: a per-process batch on Gen7, where hardware checks too little: copied, judged, and the copy executed.
 */
import { COMMAND_HANDLERS, type CommandHandler, type CommandRow } from '../hw/index.js';

/**
 * - allow: nothing to check beyond header and length
 * - audit: allowed after its handler looked at its operands
 * - neutralise: replaced by MI_NOOP, and carried out for the guest where that has a meaning
 * - defer: left in place; what it raises is forwarded to the guest whose context runs
 * - reject: never runs
 */
export type Decision = 'allow' | 'audit' | 'neutralise' | 'defer' | 'reject';

export const TRUSTS = ['ring', 'wa', 'ppgtt', 'haswell'] as const;
/** How far a stream is trusted, and so by which column it is judged. */
export type Trust = (typeof TRUSTS)[number];

type Decisions = Readonly<Record<Trust, Decision>>;

const all = (decision: Decision): Decisions => ({ ring: decision, wa: decision, ppgtt: decision, haswell: decision });

/** By handler. */
export const COMMAND_POLICY: Readonly<Record<CommandHandler, Decisions>> = {
  plain: all('allow'),
  // page tables, other contexts, the status page by an index that nobody rewrites
  refuse: all('reject'),
  userInterrupt: all('defer'),
  // without privilege the hardware takes it for MI_NOOP; a context switch is not to be broken off
  arbitration: { ring: 'audit', wa: 'allow', ppgtt: 'allow', haswell: 'allow' },
  // the pipes are the display owner's. In place nothing can be taken out; a wait then lasts a frame at most, or hangs itself
  waitForEvent: { ring: 'neutralise', wa: 'neutralise', ppgtt: 'allow', haswell: 'neutralise' },
  loadScanLines: { ring: 'neutralise', wa: 'neutralise', ppgtt: 'allow', haswell: 'neutralise' },
  displayFlip: { ring: 'neutralise', wa: 'neutralise', ppgtt: 'reject', haswell: 'reject' },
  batchBufferEnd: all('audit'),
  batchBufferStart: { ring: 'audit', wa: 'reject', ppgtt: 'audit', haswell: 'audit' },
  conditionalEnd: all('audit'),
  setPredicate: all('audit'),
  semaphoreWait: all('audit'),
  storeDataImm: all('audit'),
  loadRegisterImm: all('audit'),
  storeRegisterMem: all('audit'),
  loadRegisterMem: all('audit'),
  loadRegisterReg: all('audit'),
  flushDw: all('audit'),
  clflush: all('audit'),
  reportPerfCount: all('audit'),
  copyMemMem: all('audit'),
  atomic: all('audit'),
  pipeControl: all('audit'),
  // what rings need and a process does not: the driver's contexts, and the engine's status page, which is the guest's own
  setContext: { ring: 'audit', wa: 'reject', ppgtt: 'reject', haswell: 'reject' },
  storeDataIndex: { ring: 'audit', wa: 'reject', ppgtt: 'reject', haswell: 'reject' },
};

/** By command, over its handler's row. The resource streamer's memory commands have no GGTT select; only rings lack a use. */
const EXCEPTIONS: Readonly<Record<string, Partial<Decisions>>> = {
  MI_RS_STORE_DATA_IMM: { ppgtt: 'allow' },
  MI_LOAD_URB_MEM: { ppgtt: 'allow', haswell: 'allow' },
  MI_STORE_URB_MEM: { ppgtt: 'allow', haswell: 'allow' },
};

export function decisionOf(row: CommandRow, trust: Trust): Decision {
  return EXCEPTIONS[row.name]?.[trust] ?? COMMAND_POLICY[row.handler ?? COMMAND_HANDLERS[0]][trust];
}
