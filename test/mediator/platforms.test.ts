import { expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { PLATFORMS } from '../../src/hw/index.js';
import { MediatorCore } from '../../src/mediator/index.js';

const MIB = 1024 * 1024;

test.each(PLATFORMS.filter(({ hostsVgpus }) => !hostsVgpus))(
  'no mediator starts on $name, and it says why',
  (platform) => {
    try {
      new MediatorCore({ platform, apertureBytes: 256 * MIB });
      expect.unreachable('it started');
    } catch (error) {
      expect(error).toBeInstanceOf(XengtError);
      expect(error).toMatchObject({
        code: 'XENGT_E_CONFIG',
        message: `platform: ${platform.name} hosts no vGPUs, it is known to the command scanner only; allowed: HSW, BDW, SKL, KBL, CFL, CML`,
      });
    }
  },
);

test.each(PLATFORMS.filter(({ hostsVgpus }) => hostsVgpus))('a mediator starts on $name', (platform) => {
  expect(new MediatorCore({ platform, apertureBytes: 256 * MIB }).members.size).toBe(0);
});
