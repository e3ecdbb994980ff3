import { expect, test } from 'vitest';
import { changes } from '../../src/console/changes.js';
import type { VgpuInfo } from '../../src/mediator/api.js';
import { FakeMediator } from '../control/fake-mediator.js';

async function vgpus(...names: string[]): Promise<VgpuInfo[]> {
  const mediator = new FakeMediator();
  for (const name of names) {
    await mediator.createVgpu({ name, type: 'V5_8', transport: { kind: 'vfio-user', socket: `/run/${name}.sock` } });
  }
  return mediator.vgpus();
}

test('an operator reads what was created and removed, by name', async () => {
  const [one, two] = await vgpus('one', 'two');
  expect(changes([one!], [one!, two!])).toEqual(['two was created (V5_8)']);
  expect(changes([one!, two!], [two!])).toEqual(['one was removed']);
  expect(changes([one!], [{ ...one!, name: 'new' }])).toEqual(['one was removed', 'new was created (V5_8)']);
  expect(changes([one!], [one!])).toEqual([]);
});

test('an operator reads of guests that come, fail, are weighed anew and change their mode', async () => {
  const [one] = await vgpus('one');
  const told = (change: Partial<VgpuInfo>) => changes([one!], [{ ...one!, ...change }]);
  expect(told({ state: 'attached' })).toEqual(['one is attached']);
  expect(told({ state: 'failsafe', reason: 'hung' })).toEqual(['one is failsafe: hung']);
  expect(told({ weight: 9 })).toEqual(['one weighs 9, no longer 2']);
  expect(told({ lastDropped: 'RCS hung' })).toEqual(['one: RCS hung']);
  const lit = { ...one!, mode: { width: 1024, height: 768, refreshHz: 60 } };
  expect(changes([one!], [lit])).toEqual(['one shows 1024 × 768']);
  expect(changes([lit], [one!])).toEqual(['one shows nothing']);
});
