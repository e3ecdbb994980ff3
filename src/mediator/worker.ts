/** Entry of the mediator's worker thread: runs the service and answers calls that arrive on its port. */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type ErrorCode, reasonOf, XengtError } from '../base/index.js';
import { type MediatorCalls, type MediatorOptions, MediatorService } from './service.js';

export interface WorkerData {
  readonly options: MediatorOptions;
  readonly port: MessagePort;
  readonly doorbell: Int32Array;
}

export interface Call {
  readonly id: number;
  readonly method: keyof MediatorCalls;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly ready: number }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string };

const { options, port, doorbell } = workerData as WorkerData;
try {
  const service = new MediatorService(options, doorbell);
  port.postMessage({ ready: service.wakeFd } satisfies Answer);
  service.run(() => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      answer(service, next.message as Call);
  });
} catch (error) {
  port.postMessage(refusal(0, error));
}
port.close();

function answer(calls: MediatorCalls, { id, method, args }: Call): void {
  try {
    const call = calls[method] as (...args: readonly unknown[]) => unknown;
    port.postMessage({ id, value: call.apply(calls, [...args]) } satisfies Answer);
  } catch (error) {
    port.postMessage(refusal(id, error));
  }
}

function refusal(id: number, error: unknown): Answer {
  if (error instanceof XengtError) return { id, code: error.code, message: error.message };
  return {
    id,
    code: 'XENGT_E_IO',
    message: error instanceof Error ? (error.stack ?? reasonOf(error)) : reasonOf(error),
  };
}
