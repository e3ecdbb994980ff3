import { describe, expect, it } from 'vitest';
import { P, P_ALL, PLATFORMS, platformByName, VGPU_PLATFORMS } from '../../src/hw/index.js';

describe('the platforms', () => {
  it('are one row for each bit of the columns of other tables', () => {
    expect(PLATFORMS.map(({ name, bit }) => [name, bit])).toEqual(Object.entries(P));
    expect(PLATFORMS.reduce((all, { bit }) => all | bit, 0)).toBe(P_ALL);
  });
  it('that host vGPUs are big-core Gen7.5 to Gen9', () => {
    expect(VGPU_PLATFORMS.map(({ name }) => name)).toEqual(['HSW', 'BDW', 'SKL', 'KBL', 'CFL', 'CML']);
    for (const { gen, submission } of VGPU_PLATFORMS) expect(submission).toBe(gen === 7 ? 'rings' : 'execlists');
  });
  it('show PCI ids of their own and a type prefix of their generation', () => {
    expect(new Set(PLATFORMS.map(({ deviceId }) => deviceId)).size).toBe(PLATFORMS.length);
    for (const { gen, typePrefix } of PLATFORMS) expect(typePrefix).toBe(`V${gen - 4}`);
  });
  it('are found by name in either case', () => {
    expect(platformByName('bxt')).toMatchObject({ name: 'BXT', gen: 9, deviceId: 0x5a84, hostsVgpus: false });
    expect(platformByName('HSW')).toMatchObject({ name: 'HSW', gen: 7, deviceId: 0x0412, hostsVgpus: true });
    expect(platformByName('icl')).toBeUndefined();
  });
});
