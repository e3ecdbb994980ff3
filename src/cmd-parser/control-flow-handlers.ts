/**
 * Control flow. On Gen8+ a batch in per-process memory need not be followed: there the command streamer itself refuses
 * privileged commands and GGTT selects, and nested batches stay unprivileged whatever their address-space bit says (PRM SKL
 * Vol 2a MI_BATCH_BUFFER_START, "Address Space Indicator"). A batch in the global GTT runs with privilege: it is copied,
 * scanned, and the copy is executed.
 */
import {
  ARBITRATION_ENABLE,
  BBS_ADD_OFFSET,
  BBS_NON_PRIVILEGED,
  BBS_PPGTT,
  BBS_PREDICATE,
  BBS_SECOND_LEVEL,
  MI_USE_GGTT,
} from '../hw/index.js';
import { GO_ON, LEVEL_FIRST, LEVEL_RING, LEVEL_SECOND, type Next, type ScanState } from './scan-state.js';

export function batchBufferStart(s: ScanState, at: number, length: number): Next {
  const header = s.words[at]!;
  const second = (header & BBS_SECOND_LEVEL) !== 0;
  if (second && s.level !== LEVEL_FIRST) {
    return s.refuse(
      'batch-level',
      s.level === LEVEL_RING ? 'it is in the ring' : 'it is nested in a second-level batch',
    );
  }
  // a chain leaves the buffer for good, unless it is predicated: then what follows may run too
  const returns = s.level === LEVEL_RING || second;
  const fallsThrough = !returns && (header & BBS_PREDICATE) !== 0;
  // where i915 of Haswell does not let a batch run as its own, it goes on to the original by the privilege bit alone (public
  // i915_cmd_parser.c, trampoline): without privilege the address is the process's, whatever bit 8 says
  const perProcess = (header & (s.trust === 'haswell' ? BBS_PPGTT | BBS_NON_PRIVILEGED : BBS_PPGTT)) !== 0;
  if (perProcess && !s.follows) {
    s.result.unprivilegedBatches++;
    return returns || fallsThrough ? GO_ON : s.leave(at + length);
  }
  if ((header & BBS_ADD_OFFSET) !== 0) return s.refuse('batch-address', 'a register is added to its address');
  const lo = (s.addressLow(at) & ~3) >>> 0;
  const hi = s.addressHigh(at);
  const process = s.trust === 'ppgtt' || s.trust === 'haswell';
  if (!perProcess) {
    const inside = process ? s.refuse('global-select', 'it starts a batch in global memory', lo) : GO_ON;
    if (inside !== GO_ON) return inside;
    if (hi !== 0 && !process) return s.audit(lo, hi, 4, 'starts');
  }
  const level = second || s.level === LEVEL_SECOND ? LEVEL_SECOND : LEVEL_FIRST;
  const address = lo + (hi & 0xffff) * 0x100000000;
  return s.start(at, length, { address, perProcess: perProcess || process, level, returns, fallsThrough });
}

export function batchBufferEnd(s: ScanState, at: number, length: number): Next {
  if (s.level !== LEVEL_RING) return s.leave(at + length);
  if (s.trust === 'ring') return s.refuse('end-outside-batch', 'it is in the ring');
  // a per-context buffer ends here; nothing behind it was scanned, so nothing behind it may remain
  s.neutralise(at + 1, s.end - at - 1);
  return s.leave(at + length);
}

/**
 * i915 of a vGPU switches arbitration off around every batch, that of a whole device on (public gen8_engine_cs.c, emit_bb_start).
 * Nobody but the mediator breaks a guest's work off, and that is to be possible.
 */
export function arbitration(s: ScanState, at: number): Next {
  const header = s.words[at]!;
  const off = (header & ARBITRATION_ENABLE) === 0;
  if (off && s.table.commands.platform.preemptsBatches) s.patch(at, header | ARBITRATION_ENABLE);
  return GO_ON;
}

/** Falls through or ends the batch: both ways are scanned, because the scan goes on. */
export function conditionalEnd(s: ScanState, at: number): Next {
  if (s.level === LEVEL_RING) return s.refuse('end-outside-batch', 'it is not in a batch');
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.audit(s.addressLow(at) & ~7, s.addressHigh(at), 8, 'reads');
}

/** Predication may turn following commands into MI_NOOP, jumps and the end of the batch among them. */
export function setPredicate(s: ScanState, at: number): Next {
  if (s.level === LEVEL_RING || (s.words[at]! & 0xf) === 0) return GO_ON;
  return s.refuse('predicate', `predicate ${s.words[at]! & 0xf} could skip the end of the batch`);
}
