/**
 * definitions: vGPUs that are kept on disk, so that they are made again when the daemon starts, or when somebody asks.
 */
export { activeOf, type Damaged, type Definition, Definitions } from './definitions.js';
