import { describe } from 'vitest';
import { loadNative } from '../../src/hypervisor/index.js';
import { behavesAsAGpu } from './behaviour.js';
import { VfioBus } from './vfio-bus.js';

const native = loadNative();

describe.runIf(native)('under a VMM that speaks vfio-user', () => {
  behavesAsAGpu((core, vgpu) => new VfioBus(native!, core, vgpu));
});
