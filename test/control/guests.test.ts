import { expect, test } from 'vitest';
import { startRig } from './rig.js';

test('replayed guests are made before others, which would take the number and the place that a journal needs', async () => {
  const rig = await startRig({
    vgpus: [
      { name: 'desk', type: 'V5_8', transport: { kind: 'vfio-user', socket: '/run/desk.sock' } },
      { name: 'old', transport: { kind: 'replay', file: '/old.xj', loop: true } },
    ],
    replay: ['/older.xj'],
  });
  try {
    expect(rig.mediator.specs.map(({ name }) => name)).toEqual(['old', 'older', 'desk']);
  } finally {
    await rig.stop();
  }
});
