/**
 * mediator: everything below put together. The core is deterministic and has no threads; the service runs it in a worker
 * beside its guests; the client is what the control plane holds.
 */
export * from './api.js';
export { startMediator } from './client.js';
export { type CoreOptions, MediatorCore, type Member, type NewVgpu } from './core.js';
export { type ReplayResult, replayFile } from './replay.js';
export type { MediatorOptions } from './service.js';
