/**
 * guest: the end-to-end rig. It provisions QEMU, stock Debian kernels and our test programs, boots guests on a mediator
 * and checks what they and the mediator say. `cli.ts` boots guests to look at, `run.ts` is the test.
 */
export { Checks } from './checks.js';
export { Mediator, MediatorClient } from './mediator.js';
export { provision } from './provision/index.js';
export { Guest, type GuestOptions, type StepResult } from './qemu.js';
