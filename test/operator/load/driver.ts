/** A guest at work, as its VMM shows it: reads of registers over vfio-user in small bursts, each read waited for. */
import { setTimeout as delay } from 'node:timers/promises';
import { attach, READ_REPLY_BYTES, readMessage } from '../../../bench/vfio-client.js';
import { requireNative } from '../../../src/hypervisor/index.js';

const [socket = ''] = process.argv.slice(2);
/** Reads of a burst, and the pause behind it: some thousand traps a second. */
const BURST = 16;
const PAUSE_MS = 2;
/** Registers that drivers read: PVINFO's version, an engine's status, a fence, forcewake's answer. */
const REGISTERS = [0x78004, 0x2234, 0x100000, 0x130044].map(readMessage);

const peer = attach(requireNative(), socket, () => undefined);
let roundTrips: number[] = [];
let reported = Date.now();
for (;;) {
  for (let i = 0; i < BURST; i++) {
    const began = performance.now();
    peer.send(REGISTERS[i % REGISTERS.length] ?? new Uint8Array(0));
    peer.wait();
    peer.answer(READ_REPLY_BYTES);
    roundTrips.push((performance.now() - began) * 1000);
  }
  if (Date.now() - reported > 250) {
    const sorted = roundTrips.sort((a, b) => a - b);
    process.stdout.write(`${sorted.length} ${sorted[sorted.length >> 1]?.toFixed(2)}\n`);
    roundTrips = [];
    reported = Date.now();
  }
  await delay(PAUSE_MS);
}
