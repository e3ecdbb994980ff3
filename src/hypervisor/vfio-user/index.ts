/**
 * vfio-user: guests of QEMU and other VMMs, attached over a UNIX socket. The VMM sends each access to the device as a
 * message, hands over its guest's memory as descriptors, and takes interrupts as eventfds.
 *
 * Use: one `VfioUserServer` per vGPU, all on one `Waiter`; the mediator's thread does nothing but `waiter.run(ns, budget)`
 * in a loop, and `server.tick(now)` about once a second.
 */
export { VfioUserCounters } from './counters.js';
export { VfioGuestMemory } from './memory.js';
export { RULES, type Rule } from './protocol.js';
export { type VfioGuestPort, type VfioUserOptions, VfioUserServer } from './server.js';
