import { expect, test } from 'vitest';
import { sharedReads } from '../../src/control/shared-reads.js';
import { FakeMediator } from './fake-mediator.js';

const SPEC = { name: 'a', type: 'V5_8', transport: { kind: 'vfio-user', socket: '/a' } } as const;
const asked = (mediator: FakeMediator, what: string) => mediator.calls.filter((call) => call === what).length;

test('a thousand who ask at once are the first, and one question for the rest', async () => {
  const mediator = new FakeMediator();
  const audience = sharedReads(mediator);
  await Promise.all(Array.from({ length: 1000 }, () => audience.vgpus()));
  expect(asked(mediator, 'vgpus')).toBe(2);
});

test('who asks again and again does not ask the mediator more than fifty times a second', async () => {
  const mediator = new FakeMediator();
  const audience = sharedReads(mediator);
  const began = performance.now();
  for (let i = 0; i < 8; i++) await audience.stats();
  expect(performance.now() - began).toBeGreaterThan(7 * 18);
  expect(asked(mediator, 'stats')).toBe(8);
});

test('what somebody has done is in what he reads then', async () => {
  const mediator = new FakeMediator();
  const audience = sharedReads(mediator);
  for (let i = 0; i < 5; i++) {
    const others = [audience.vgpus(), audience.vgpus()];
    await audience.createVgpu({ ...SPEC, name: `a${i}` });
    expect((await audience.vgpus()).map(({ name }) => name)).toContain(`a${i}`);
    await Promise.all(others);
  }
});

test('a question that failed is asked anew', async () => {
  const mediator = new FakeMediator();
  const audience = sharedReads(mediator);
  mediator.fault = new Error('away');
  await expect(audience.types()).rejects.toThrow('away');
  expect(await audience.types()).toHaveLength(2);
});
