import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';

const native = loadNative();

describe.runIf(native)('the addon on a machine without Xen', () => {
  const addon = native as Native;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'xengt-xen-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('loads, and names the first library that is missing and the package that has it', () => {
    const said = addon.xenLoad(folder);
    expect(said).toContain('libxentoolcore.so.1 does not load: ');
    expect(said).toContain('(Debian: apt-get install libxentoolcore1)');
  });

  it('says of a library that is none that it is none', () => {
    writeFileSync(join(folder, 'libxentoolcore.so.1'), 'not a library');
    expect(addon.xenLoad(folder)).toMatch(/libxentoolcore\.so\.1 does not load: .+; install Xen's libraries/);
  });

  it('refuses every call with an errno and does nothing', () => {
    const { errno } = constants;
    expect(addon.xenOpen(7)).toBe(-errno.ENOSYS);
    expect(addon.xenDestroyServer(7, 1)).toBe(-errno.ENOSYS);
    expect(addon.xenMapHost(7, true, 1, 1, 1)).toBe(-errno.ENOSYS);
    for (const guest of [0, -1, 256, Number.NaN]) {
      expect(addon.xenCreateServer(guest)).toBe(-errno.EBADF);
      expect(addon.xenPump(guest)).toBe(-errno.EBADF);
      expect(addon.xenClose(guest)).toBe(-errno.EBADF);
    }
  });
});
