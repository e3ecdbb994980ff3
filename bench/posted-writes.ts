/** Posted writes: register and GTT writes that want no answer, as fast as they come, one message each or many in one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative, nativeMissing, Waiter } from '../src/hypervisor/index.js';
import { BenchGuest, GGTT_OFFSET, plainRegisters } from './guest.js';
import { compare, type Effort, type Loop, skip, type Table } from './measure.js';
import { attach, must, Peer, postedWrite, postedWrites, serve, type Write } from './vfio-client.js';

/** Writes between two turns of the mediator: what a socket holds with ease. */
const BURST = 64;

export function writesPosted(effort: Effort): Table {
  const native = loadNative();
  if (native === null) return skip(nativeMissing());
  const folder = mkdtempSync(join(tmpdir(), 'xengt-bench-'));
  const guest = new BenchGuest();
  const { vgpu } = guest;
  const offsets = plainRegisters(vgpu.regs.policy, BURST);
  const registers = offsets.map((offset, i): Write => ({ offset, bytes: 4, value: i }));
  const entries = offsets.map((_, i): Write => {
    return { offset: GGTT_OFFSET + 8 * (guest.scripted.ggttBase + i), bytes: 8, value: 0 };
  });
  vgpu.detach();

  const waiter = new Waiter(native);
  const server = serve(native, waiter, vgpu, join(folder, 'gpu.sock'));
  const client = attach(native, server.path, () => {
    while (waiter.run(0, 64) > 0);
  });
  const fds = new Int32Array(2);
  must(native.socketPair(fds), 'socketpair');
  const near = new Peer(native, fds[0]!);
  const far = new Peer(native, fds[1]!);

  /** Sends messages that hold `writes` writes together, then lets the server take them all. */
  const posting = (messages: readonly Uint8Array[]): Loop => {
    return (count) => {
      for (let done = 0; done < count; done += BURST) {
        for (const message of messages) client.send(message);
        waiter.run(Number.POSITIVE_INFINITY, 256);
      }
      return vgpu.traps[1]!;
    };
  };
  const carrying = (messages: readonly Uint8Array[]): Loop => {
    return (count) => {
      let bytes = 0;
      for (let done = 0; done < count; done += BURST) {
        for (const message of messages) near.send(message);
        far.wait();
        bytes += far.take();
      }
      return bytes;
    };
  };
  const single = registers.map((write) => postedWrite(write));
  const together = [postedWrites(registers)];

  try {
    const table = compare(
      [
        { label: 'socketpair, a message each', loop: carrying(single) },
        { label: `socketpair, ${BURST} in a message`, loop: carrying(together) },
      ],
      [
        { label: 'register, a message each', against: ['socketpair, a message each'], loop: posting(single) },
        {
          label: 'GTT entry, a message each',
          against: ['socketpair, a message each'],
          loop: posting(entries.map((write) => postedWrite(write))),
        },
        {
          label: `register, ${BURST} in a message`,
          against: [`socketpair, ${BURST} in a message`],
          loop: posting(together),
        },
      ],
      effort,
    );
    const { posted, coalescedWrites, refusals } = server.counters;
    const refused = Object.values(refusals).reduce((sum, times) => sum + times, 0);
    if (posted === 0 || coalescedWrites === 0 || refused > 0) throw new Error('posted writes were refused');
    return table;
  } finally {
    for (const peer of [client, near, far]) peer.close();
    server.close();
    waiter.close();
    rmSync(folder, { recursive: true });
  }
}
