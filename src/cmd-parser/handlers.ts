/** Behaviour of every decision that the command policy can take; the compiler checks that no handler is missing. */
import { COMMAND_HANDLERS, type CommandHandler } from '../hw/index.js';
import type { Decision } from './command-policy.js';
import {
  arbitration,
  batchBufferEnd,
  batchBufferStart,
  conditionalEnd,
  setPredicate,
} from './control-flow-handlers.js';
import { displayFlip, userInterrupt } from './display-handlers.js';
import {
  atomic,
  clflush,
  copyMemMem,
  flushDw,
  pipeControl,
  reportPerfCount,
  semaphoreWait,
  setContext,
  storeDataImm,
  storeDataIndex,
} from './memory-handlers.js';
import { loadRegisterImm, loadRegisterMem, loadRegisterReg, storeRegisterMem } from './register-handlers.js';
import { GO_ON, type Next, type ScanState } from './scan-state.js';

export type Handler = (s: ScanState, at: number, length: number) => Next;

const allow: Handler = () => GO_ON;
const reject: Handler = (s) => s.refuse('refused-command', 'it has no place in a guest stream');
const neutralise: Handler = (s, at, length) => {
  s.neutralise(at, length);
  return GO_ON;
};

const AUDITS: Readonly<Partial<Record<CommandHandler, Handler>>> = {
  arbitration,
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
  setContext,
  storeDataIndex,
};
/** A flip is carried out for the guest; other commands are just taken out. */
const NEUTRALISERS: Readonly<Partial<Record<CommandHandler, Handler>>> = { displayFlip };
const DEFERRERS: Readonly<Partial<Record<CommandHandler, Handler>>> = { userInterrupt };

/** By action, the number that compiled tables hold. */
export const ACTIONS: readonly Handler[] = [
  allow,
  reject,
  neutralise,
  ...COMMAND_HANDLERS.map((name) => AUDITS[name] ?? NEUTRALISERS[name] ?? DEFERRERS[name] ?? reject),
];
export const ACTION_ALLOW = 0;
const ACTION_REJECT = 1;
const ACTION_NEUTRALISE = 2;
const FIRST_HANDLER = 3;
export const ACTION_PIPE_CONTROL = FIRST_HANDLER + COMMAND_HANDLERS.indexOf('pipeControl');

export function actionOf(handler: CommandHandler, decision: Decision): number {
  const own = FIRST_HANDLER + COMMAND_HANDLERS.indexOf(handler);
  switch (decision) {
    case 'allow':
      return ACTION_ALLOW;
    case 'neutralise':
      return NEUTRALISERS[handler] === undefined ? ACTION_NEUTRALISE : own;
    case 'audit':
      return AUDITS[handler] === undefined ? ACTION_REJECT : own;
    case 'defer':
      return DEFERRERS[handler] === undefined ? ACTION_REJECT : own;
    case 'reject':
      return ACTION_REJECT;
  }
}
