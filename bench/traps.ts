/**
 * Trap round trip: a register read as a VMM sends it, through socket, server, vGPU and back. Once in one thread, where the
 * difference to the baseline is our code and nothing else, and once between two threads, where a trap also wakes a sleeper
 * twice, as it does in service.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { loadNative, type Native, nativeMissing, Waiter } from '../src/hypervisor/index.js';
import { BenchGuest, plainRegisters } from './guest.js';
import { compare, type Effort, type Loop, skip, type Table } from './measure.js';
import type { TrapWorkerData } from './trap-worker.js';
import { attach, must, Peer, READ_REPLY_BYTES, readMessage, serve } from './vfio-client.js';

/** Starts a worker and waits until it says that it is ready. */
function start(data: TrapWorkerData): Promise<Worker> {
  const worker = new Worker(new URL('./trap-worker.js', import.meta.url), { workerData: data });
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(worker));
    worker.once('error', reject);
  });
}

const exited = (worker: Worker): Promise<void> => new Promise((resolve) => worker.once('exit', () => resolve()));

function pair(native: Native): [number, number] {
  const fds = new Int32Array(2);
  must(native.socketPair(fds), 'socketpair');
  return [fds[0]!, fds[1]!];
}

/** One question and its answer from a peer that runs elsewhere. */
function asking(peer: Peer, question: Uint8Array): Loop {
  return (count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      peer.send(question);
      peer.wait();
      sum += peer.answer(READ_REPLY_BYTES);
    }
    return sum;
  };
}

export async function traps(effort: Effort): Promise<Table> {
  const native = loadNative();
  if (native === null) return skip(nativeMissing());
  const folder = mkdtempSync(join(tmpdir(), 'xengt-bench-'));
  const { vgpu } = new BenchGuest();
  const [plain] = plainRegisters(vgpu.regs.policy, 1);
  vgpu.detach();
  const question = readMessage(plain!);
  const pvinfo = readMessage(0x78000);

  // In this thread.
  const waiter = new Waiter(native);
  const server = serve(native, waiter, vgpu, join(folder, 'here.sock'));
  const here = attach(native, server.path, () => {
    while (waiter.run(0, 64) > 0);
  });
  const served = (bytes: Uint8Array): Loop => {
    return (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        here.send(bytes);
        waiter.run(Number.POSITIVE_INFINITY, 256);
        sum += here.answer(READ_REPLY_BYTES);
      }
      return sum;
    };
  };
  const [near, far] = pair(native).map((fd) => new Peer(native, fd)) as [Peer, Peer];
  const reply = new Uint8Array(READ_REPLY_BYTES);

  // In another thread.
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const path = join(folder, 'there.sock');
  const serving = await start({ kind: 'server', path, stop });
  const there = attach(native, path, () => {});
  const [end, echoEnd] = pair(native);
  const echoing = await start({ kind: 'echo', fd: echoEnd, replyBytes: READ_REPLY_BYTES });
  const echo = new Peer(native, end);

  try {
    return compare(
      [
        {
          label: 'socketpair, one thread',
          loop(count) {
            let sum = 0;
            for (let i = 0; i < count; i++) {
              near.send(question);
              far.wait();
              far.take();
              far.send(reply);
              sum += near.answer(READ_REPLY_BYTES);
            }
            return sum;
          },
        },
        { label: 'socketpair, two threads', loop: asking(echo, question) },
      ],
      [
        { label: 'register read, one thread', against: ['socketpair, one thread'], loop: served(question) },
        { label: 'PVINFO read (handled), one thread', against: ['socketpair, one thread'], loop: served(pvinfo) },
        { label: 'register read, two threads', against: ['socketpair, two threads'], loop: asking(there, question) },
      ],
      effort,
    );
  } finally {
    const ended = Promise.all([exited(serving), exited(echoing)]);
    Atomics.store(stop, 0, 1);
    for (const peer of [here, near, far, there, echo]) peer.close();
    server.close();
    waiter.close();
    await ended;
    rmSync(folder, { recursive: true });
  }
}
