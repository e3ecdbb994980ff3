/** Behaviour of every handler name of the command table; the compiler checks that none is missing. */
import { COMMAND_HANDLERS, type CommandHandler } from '../hw/index.js';
import { batchBufferEnd, batchBufferStart, conditionalEnd, setPredicate } from './control-flow-handlers.js';
import { displayFlip, loadScanLines, userInterrupt, waitForEvent } from './display-handlers.js';
import {
  atomic,
  clflush,
  copyMemMem,
  flushDw,
  pipeControl,
  reportPerfCount,
  semaphoreWait,
  storeDataImm,
} from './memory-handlers.js';
import { loadRegisterImm, loadRegisterMem, loadRegisterReg, storeRegisterMem } from './register-handlers.js';
import { GO_ON, type Next, type ScanState } from './scan-state.js';

export type Handler = (s: ScanState, at: number, length: number) => Next;

const BY_NAME: Record<CommandHandler, Handler> = {
  plain: () => GO_ON,
  refuse: (s) => s.refuse('refused-command', 'it has no place in a guest stream'),
  userInterrupt,
  waitForEvent,
  loadScanLines,
  displayFlip,
  batchBufferEnd,
  batchBufferStart,
  conditionalEnd,
  setPredicate,
  semaphoreWait,
  storeDataImm,
  loadRegisterImm,
  storeRegisterMem,
  loadRegisterMem,
  loadRegisterReg,
  flushDw,
  clflush,
  reportPerfCount,
  copyMemMem,
  atomic,
  pipeControl,
};

/** By handler index of the compiled command table. */
export const HANDLERS: readonly Handler[] = COMMAND_HANDLERS.map((name) => BY_NAME[name]);
