/**
 * Control flow. A batch in per-process memory is not followed: there the command streamer itself refuses privileged
 * commands and GGTT selects, and nested batches stay unprivileged whatever their address-space bit says (PRM SKL Vol 2a
 * MI_BATCH_BUFFER_START, "Address Space Indicator"). A batch in the global GTT runs with privilege: it is copied,
 * scanned, and the copy is executed.
 */
import { BBS_ADD_OFFSET, BBS_PPGTT, BBS_PREDICATE, BBS_SECOND_LEVEL, MI_USE_GGTT } from '../hw/index.js';
import {
  END_OF_BUFFER,
  GO_ON,
  LEVEL_FIRST,
  LEVEL_RING,
  LEVEL_SECOND,
  type Next,
  REFUSED,
  type ScanState,
} from './scan-state.js';

export function batchBufferStart(s: ScanState, at: number): Next {
  const header = s.words[at]!;
  const second = (header & BBS_SECOND_LEVEL) !== 0;
  if (s.level === LEVEL_RING && s.input.trust === 'wa') return s.refuse('batch-context', 'it would leave the buffer');
  if (second && s.level !== LEVEL_FIRST) {
    return s.refuse(
      'batch-level',
      s.level === LEVEL_RING ? 'it is in the ring' : 'it is nested in a second-level batch',
    );
  }
  if ((header & BBS_PPGTT) !== 0) {
    s.result.unprivilegedBatches++;
  } else {
    if ((header & BBS_ADD_OFFSET) !== 0) return s.refuse('batch-address', 'a register is added to its address');
    const lo = (s.words[at + 1]! & ~3) >>> 0;
    const hi = s.words[at + 2]!;
    if (hi !== 0) return s.audit(lo, hi, 4, 'starts');
    const level = second || s.level === LEVEL_SECOND ? LEVEL_SECOND : LEVEL_FIRST;
    if (s.requestBatch(lo, level, at + 1) !== GO_ON) return REFUSED;
  }
  // a chain leaves the buffer for good, unless it is predicated: then what follows may run too
  const returns = s.level === LEVEL_RING || second || (header & BBS_PREDICATE) !== 0;
  return returns ? GO_ON : END_OF_BUFFER;
}

export function batchBufferEnd(s: ScanState, at: number): Next {
  if (s.level !== LEVEL_RING) return END_OF_BUFFER;
  if (s.input.trust === 'ring') return s.refuse('end-outside-batch', 'it is in the ring');
  // a per-context buffer ends here; nothing behind it was scanned, so nothing behind it may remain
  s.neutralise(at + 1, s.input.end - at - 1);
  return END_OF_BUFFER;
}

/** Falls through or ends the batch: both ways are scanned, because the scan goes on. */
export function conditionalEnd(s: ScanState, at: number): Next {
  if (s.level === LEVEL_RING) return s.refuse('end-outside-batch', 'it is not in a batch');
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.audit(s.words[at + 2]! & ~7, s.words[at + 3]!, 8, 'reads');
}

/** Predication may turn following commands into MI_NOOP, the end of the batch among them. */
export function setPredicate(s: ScanState, at: number): Next {
  if (s.level === LEVEL_RING || (s.words[at]! & 0xf) === 0) return GO_ON;
  return s.refuse('predicate', `predicate ${s.words[at]! & 0xf} could skip the end of the batch`);
}
