import { describe, expect, test } from 'vitest';
import { Judge, openToCommands, readStreams } from '../../../src/control/scan/index.js';
import { RCS, REGISTER_ROWS, VGPU_PLATFORMS } from '../../../src/hw/index.js';
import { commandAccess } from '../../../src/mediator/command-access.js';
import { compilePolicy } from '../../../src/mmio/index.js';
import { vgpuHandlers } from '../../../src/vgpu/index.js';
import { platformNamed } from '../../cmd-parser/harness.js';
import { Folder, writeCorpus } from './streams.js';

describe('the registers that commands may touch', () => {
  test.each(VGPU_PLATFORMS)('are those of a vGPU on $name', (platform) => {
    const policy = compilePolicy(platform, REGISTER_ROWS, vgpuHandlers);
    expect(Buffer.compare(openToCommands(platform), commandAccess(policy))).toBe(0);
  });

  test.each(['HSW', 'BXT'])('are known for %s, which hosts no vGPUs', (name) => {
    expect(openToCommands(platformNamed(name)).some((access) => access !== 0)).toBe(true);
  });
});

test('judging leaves the recorded memory as it is, whatever the trust', () => {
  const folder = new Folder();
  try {
    writeCorpus(folder);
    const kept = new Map<Uint32Array, Uint32Array>();
    const bare = { platform: platformNamed('SKL'), engine: RCS, address: 0 } as const;
    for (const trust of ['ring', 'haswell', 'ppgtt'] as const) {
      const judge = new Judge(trust);
      for (const found of readStreams([folder.path], bare)) {
        if ('error' in found) throw found.error;
        const { words } = found.batches[0]!.memory;
        if (!kept.has(words)) kept.set(words, words.slice());
        const verdicts = found.batches.map((batch) => judge.judge(batch));
        expect(verdicts.every((verdict) => verdict.trust === trust)).toBe(true);
      }
    }
    expect(kept.size).toBeGreaterThan(0);
    for (const [words, before] of kept) expect(words.every((word, i) => word === before[i])).toBe(true);
  } finally {
    folder.drop();
  }
});
