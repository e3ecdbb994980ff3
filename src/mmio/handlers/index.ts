/**
 * Handlers that need nothing but the registers themselves. Interrupts, submission, reset, fences, PVINFO and display are
 * the vGPU's: it adds its own to these when it compiles its policy.
 */
import type { Handlers, MmioContext } from '../context.js';
import { csfeChicken, dmaCtrl, forceNonpriv, gamwEcho, tlbControl, trtte } from './gt.js';
import { dpllStatus, forcewake, lcpll, pcode, sbiCtl } from './power.js';

export const STANDARD_HANDLERS = {
  read: { dpllStatus },
  write: {
    csfeChicken,
    dmaCtrl,
    forceNonpriv,
    forcewake,
    gamwEcho,
    lcpll,
    pcode,
    sbiCtl,
    tlbControl,
    trtte,
  },
} as const satisfies Handlers<MmioContext>;
