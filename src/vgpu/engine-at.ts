/** Which engine's block a register is in. */
import { ENGINES, type EngineId } from '../hw/index.js';

/** By 4 KiB block; -1 where no engine is. */
const ENGINE_OF_BLOCK = new Int8Array(0x200).fill(-1);
for (const engine of ENGINES) ENGINE_OF_BLOCK.fill(engine.id, engine.mmioBase >>> 12, (engine.mmioBase >>> 12) + 2);

/** Engine whose register block `offset` is in; -1 for none. */
export function engineAt(offset: number): EngineId | -1 {
  return ENGINE_OF_BLOCK[offset >>> 12] as EngineId | -1;
}
