/** The control plane's side of the mediator: starts its thread, and turns calls into messages. */
import { MessageChannel, Worker } from 'node:worker_threads';
import { XengtError } from '../base/index.js';
import { loadNative, wake } from '../hypervisor/index.js';
import type { MediatorApi } from './api.js';
import type { MediatorOptions } from './service.js';
import type { Answer, Call, WorkerData } from './worker.js';

const METHODS = [
  'createVgpu',
  'removeVgpu',
  'vgpus',
  'types',
  'resources',
  'stats',
  'timelines',
  'unknownRegisters',
  'auditPageTables',
  'isolation',
  'screen',
  'setMonitor',
  'setPort',
  'setScanProcesses',
  'setShare',
  'revive',
  'reset',
  'snapshot',
  'nativeStatus',
  'stop',
] as const satisfies readonly (keyof MediatorApi)[];

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * Starts the mediator in a worker of its own.
 * @throws XengtError XENGT_E_CONFIG when the options name no device
 */
export async function startMediator(options: MediatorOptions): Promise<MediatorApi> {
  const { port1, port2 } = new MessageChannel();
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const data: WorkerData = { options, port: port2, doorbell };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: data, transferList: [port2] });
  const waiting = new Map<number, Waiting>();
  let gone: XengtError | null = null;
  let serial = 0;
  let wakeFd = -1;
  const native = loadNative();

  const failAll = (error: unknown): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('error', failAll);
  worker.on('exit', () => {
    gone = new XengtError('XENGT_E_UNAVAILABLE', 'the mediator has stopped');
    failAll(gone);
    port1.close();
  });

  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, { resolve: () => resolve(), reject });
  });
  port1.on('message', (answer: Answer) => {
    if ('ready' in answer) {
      wakeFd = answer.ready;
      waiting.get(0)?.resolve(undefined);
      waiting.delete(0);
      return;
    }
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('code' in answer) call?.reject(new XengtError(answer.code, answer.message));
    else call?.resolve(answer.value);
  });
  await ready;

  const call = (method: keyof MediatorApi, args: readonly unknown[]): Promise<unknown> => {
    if (gone) return Promise.reject(gone);
    const id = ++serial;
    const answered = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }));
    port1.postMessage({ id, method, args } satisfies Call);
    if (wakeFd >= 0 && native) wake(native, wakeFd);
    else {
      Atomics.store(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    }
    return answered;
  };
  const api = Object.fromEntries(METHODS.map((method) => [method, (...args: unknown[]) => call(method, args)]));
  return api as unknown as MediatorApi;
}
