/**
 * Commands that touch memory. Through the per-process tables they are isolated by the hardware: on Gen8+ a context with
 * the PPGTT descriptor sends every access without a GGTT select (2D, 3D, media and video included) through its own
 * tables, in ring and batch alike (PRM SKL Vol 5 "Memory Views", per-process GTT). What selects the global GTT is
 * audited over the whole access. Where an address stands is the command row's business.
 */
import { PAGE_SIZE } from '../base/index.js';
import {
  ATOMIC_INLINE_DATA,
  ATOMIC_SIZE_SHIFT,
  COPY_DESTINATION_GGTT,
  COPY_SOURCE_GGTT,
  FLUSH_ADDRESS_GGTT,
  FLUSH_NOTIFY_BIT,
  FLUSH_POST_SYNC_SHIFT,
  FLUSH_STORE_INDEX,
  GEN7_CONTEXT_PAGES,
  MI_REGISTER_MASK,
  MI_USE_GGTT,
  PC_GGTT,
  PC_NOTIFY,
  PC_POST_SYNC_LRI,
  PC_POST_SYNC_SHIFT,
  PC_STORE_INDEX,
  SDI_CORE_MODE,
  SDI_QWORD,
  SET_CONTEXT,
} from '../hw/index.js';
import { checkRegisterWrite } from './register-handlers.js';
import { GO_ON, type Next, REFUSED, type ScanState } from './scan-state.js';

/** Every post-sync write is a quadword. */
const POST_SYNC_BYTES = 8;
/** Largest report format of MI_REPORT_PERF_COUNT. Source: PRM SKL Vol 14 "OA Report Formats". */
const PERF_REPORT_BYTES = 256;

export function storeDataImm(s: ScanState, at: number, length: number): Next {
  const header = s.words[at]!;
  const first = s.behindAddress();
  const data = length - first;
  const operand = (header & SDI_QWORD) !== 0 ? 2 : 1;
  if (data < operand || data % operand !== 0) return s.refuse('length', `${length} dwords`);
  const lo = s.addressLow(at);
  const global = (header & MI_USE_GGTT) !== 0;
  if (global) {
    const cores = (lo & SDI_CORE_MODE) !== 0 ? operand : 0;
    const next = s.audit(lo & ~3, s.addressHigh(at), (data + cores) * 4, 'writes');
    if (next !== GO_ON) return next;
  }
  return s.stores(!global, ((lo & ~3) >>> 0) + (s.addressHigh(at) & 0xffff) * 0x100000000, at + first, at + length);
}

/** The image is in the global GTT, and so is that of the context that was current before, which an earlier one named. */
export function setContext(s: ScanState, at: number): Next {
  const lo = s.addressLow(at);
  if ((lo & SET_CONTEXT.MEMORY_GTT) === 0) return s.refuse('address', 'its context is not in the global GTT');
  return s.audit(lo & SET_CONTEXT.ADDRESS, 0, GEN7_CONTEXT_PAGES * PAGE_SIZE, 'saves to');
}

/** The engine's own status page: within the page, a write is the guest's own affair. */
export function storeDataIndex(s: ScanState, at: number, length: number): Next {
  const offset = s.words[at + 1]!;
  if ((offset & 3) !== 0 || offset + 4 * (length - 2) > PAGE_SIZE) return refuseIndex(s, offset);
  return GO_ON;
}

export function atomic(s: ScanState, at: number, length: number): Next {
  const header = s.words[at]!;
  const size = (header >>> ATOMIC_SIZE_SHIFT) & 3;
  if (length !== ((header & ATOMIC_INLINE_DATA) !== 0 ? 11 : 3)) return s.refuse('length', `${length} dwords`);
  if ((header & MI_USE_GGTT) === 0) return GO_ON;
  if (size === 3) return s.refuse('address', 'its data size is reserved');
  return s.audit(s.addressLow(at) & ~3, s.addressHigh(at), 4 << size, 'modifies');
}

export function copyMemMem(s: ScanState, at: number): Next {
  const header = s.words[at]!;
  if ((header & COPY_DESTINATION_GGTT) !== 0) {
    const next = s.audit(s.addressLow(at) & ~3, s.addressHigh(at), 4, 'writes');
    if (next !== GO_ON) return next;
  }
  if ((header & COPY_SOURCE_GGTT) === 0) return GO_ON;
  const source = at + s.secondAddress();
  return s.audit(s.words[source]! & ~3, s.words[source + 1]!, 4, 'reads');
}

export function semaphoreWait(s: ScanState, at: number): Next {
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.audit(s.addressLow(at) & ~3, s.addressHigh(at), 4, 'polls');
}

export function reportPerfCount(s: ScanState, at: number): Next {
  const lo = s.addressLow(at);
  if ((lo & 1) === 0) return GO_ON;
  return s.audit(lo & ~63, s.addressHigh(at), PERF_REPORT_BYTES, 'writes');
}

export function clflush(s: ScanState, at: number): Next {
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.refuse('refused-command', 'it flushes global memory');
}

/** MI_FLUSH_DW: all lengths alike; the five-dword form writes just as the four-dword form does. */
export function flushDw(s: ScanState, at: number, length: number): Next {
  const header = s.words[at]!;
  if ((header & FLUSH_NOTIFY_BIT) !== 0) s.result.notifies++;
  if (((header >>> FLUSH_POST_SYNC_SHIFT) & 3) === 0) return GO_ON;
  if (length <= s.behindAddress()) return s.refuse('length', `${length} dwords, too short for its post-sync write`);
  const lo = s.addressLow(at);
  const hi = s.addressHigh(at);
  if ((header & FLUSH_STORE_INDEX) !== 0) {
    const offset = (lo & ~7) >>> 0;
    if (hi !== 0 || offset > PAGE_SIZE - POST_SYNC_BYTES) return refuseIndex(s, offset);
    if (!s.patches) return GO_ON;
    s.patch(at, (header & ~FLUSH_STORE_INDEX) >>> 0);
    s.patch(at + 1, (s.hwspPage + offset + FLUSH_ADDRESS_GGTT) >>> 0);
    return GO_ON;
  }
  if ((lo & FLUSH_ADDRESS_GGTT) === 0) return GO_ON;
  return s.audit(lo & ~7, hi, POST_SYNC_BYTES, 'writes');
}

/** Without any of these flags PIPE_CONTROL touches the process's own memory at most, and nothing comes of it. */
export const PC_AUDITED = PC_NOTIFY | PC_POST_SYNC_LRI | PC_STORE_INDEX | PC_GGTT;

export function pipeControl(s: ScanState, at: number): Next {
  const flags = s.words[at + 1]!;
  if ((flags & PC_NOTIFY) !== 0) s.result.notifies++;
  const lo = s.addressLow(at);
  if ((flags & PC_POST_SYNC_LRI) !== 0 && checkRegisterWrite(s, lo & MI_REGISTER_MASK) !== GO_ON) return REFUSED;
  if (((flags >>> PC_POST_SYNC_SHIFT) & 3) === 0) return GO_ON;
  const hi = s.addressHigh(at);
  if ((flags & PC_STORE_INDEX) !== 0) {
    const offset = (lo & ~3) >>> 0;
    if (hi !== 0 || offset > PAGE_SIZE - POST_SYNC_BYTES) return refuseIndex(s, offset);
    if (!s.patches) return GO_ON;
    s.patch(at + 1, ((flags & ~PC_STORE_INDEX) | PC_GGTT) >>> 0);
    s.patch(at + 2, (s.hwspPage + offset) >>> 0);
    return GO_ON;
  }
  if ((flags & PC_GGTT) === 0) return GO_ON;
  return s.audit(lo & ~3, hi, POST_SYNC_BYTES, 'writes');
}

const refuseIndex = (s: ScanState, offset: number): Next =>
  s.refuse('index', `status page offset 0x${offset.toString(16)} is outside the page`, offset);
