/** The other thread of the trap benchmark: a mediator's loop that serves one guest, or an echo that serves the baseline. */
import { parentPort, workerData } from 'node:worker_threads';
import { requireNative, Waiter } from '../src/hypervisor/index.js';
import { BenchGuest } from './guest.js';
import { Peer, serve } from './vfio-client.js';

export type TrapWorkerData =
  | { readonly kind: 'server'; readonly path: string; readonly stop: Int32Array }
  | { readonly kind: 'echo'; readonly fd: number; readonly replyBytes: number };

const data = workerData as TrapWorkerData;
const native = requireNative();

if (data.kind === 'server') {
  const { vgpu } = new BenchGuest();
  vgpu.detach();
  const waiter = new Waiter(native);
  const server = serve(native, waiter, vgpu, data.path);
  parentPort?.postMessage('ready');
  while (Atomics.load(data.stop, 0) === 0) waiter.run(1e9, 256);
  server.close();
  waiter.close();
} else {
  const peer = new Peer(native, data.fd);
  const reply = new Uint8Array(data.replyBytes);
  parentPort?.postMessage('ready');
  for (peer.wait(); peer.take() > 0; peer.wait()) peer.send(reply);
  peer.close();
}
