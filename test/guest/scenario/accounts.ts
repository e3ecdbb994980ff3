/** The mediator's own books after the guests' work: isolation, traps, GPU time, registers without a row, metrics. */
import type { EngineReport } from '../mediator.js';
import { ENGINES, type Scene } from './scene.js';

/** Σ GPU seconds + idle + switching against the engine's own clock. */
const TOLERANCE = 0.01;

function checkEngine(scene: Scene, engine: EngineReport): void {
  const { checks } = scene;
  const charged = Object.values(engine.perVgpu).reduce((sum, seconds) => sum + seconds, 0);
  const sum = charged + engine.idleSeconds + engine.switchingSeconds;
  const off = Math.abs(sum - engine.totalSeconds) / engine.totalSeconds;
  checks.check(
    `${engine.name}: GPU seconds of all vGPUs + idle + switching = engine time within 1 %`,
    engine.totalSeconds > 0 && off <= TOLERANCE,
    `charged ${charged} + idle ${engine.idleSeconds} + switching ${engine.switchingSeconds} = ${sum}, engine time ${engine.totalSeconds}`,
  );
  const unpaid = Math.abs(charged - engine.busySeconds);
  checks.check(
    `${engine.name}: busy time is charged to vGPUs`,
    charged > 0 && unpaid <= TOLERANCE * engine.busySeconds + 0.001,
    `charged ${charged}, busy ${engine.busySeconds}`,
  );
  for (const seat of scene.seats) {
    const seconds = engine.perVgpu[`${seat.vgpuId}`] ?? 0;
    checks.check(`${engine.name}: ${seat.name} was charged for its work`, seconds > 0, `${seconds} s`);
  }
}

async function checkRegisters(scene: Scene): Promise<void> {
  for (const seat of scene.seats) {
    const unknown = await scene.mediator.client.unknownRegisters(seat.vgpuId);
    const named = unknown.filter(({ name, writes }) => name !== null && writes > 0);
    scene.checks.check(
      `${seat.name}: no register that has a name in the inventory is written without having a row`,
      named.length === 0,
      named.map(({ offset, name, writes }) => `${name} at 0x${offset.toString(16)}: ${writes} writes`).join(', '),
    );
  }
}

async function checkMetrics(scene: Scene): Promise<void> {
  const text = await scene.mediator.metrics();
  const value = (name: string, labels: readonly string[]) => {
    const line = text
      .split('\n')
      .find((row) => row.startsWith(`${name}{`) && labels.every((label) => row.includes(label)));
    return Number(line?.split(' ').at(-1) ?? Number.NaN);
  };
  for (const seat of scene.seats) {
    const positive = ENGINES.every(
      (engine) => value('xengt_vgpu_gpu_seconds_total', [`vgpu="${seat.name}"`, `engine="${engine}"`]) > 0,
    );
    scene.checks.check(`/metrics shows GPU seconds of ${seat.name} on all engines`, positive);
  }
  const violations = /^xengt_isolation_violations_total (\d+)/m.exec(text)?.[1];
  scene.checks.check('/metrics shows 0 isolation violations', violations === '0', `${violations}`);
}

export async function accounts(scene: Scene): Promise<void> {
  const { checks, mediator } = scene;
  await checks.works("the mediator's books can be read", async () => {
    const isolation = await mediator.client.isolation();
    const seen = isolation.last.slice(0, 5).join('\n        ');
    checks.check('0 isolation violations', isolation.violations === 0, `${isolation.violations}: ${seen}`);
    const stats = await mediator.client.stats();
    checks.check('0 unanswered traps', stats.unansweredTraps === 0, `${stats.unansweredTraps}`);
    for (const seat of scene.seats) {
      const { state, reason } = await mediator.client.vgpu(seat.vgpuId);
      checks.check(`${seat.name} is not in failsafe`, state !== 'failsafe', `${reason}`);
    }
    const engines = await mediator.client.engines();
    const names = engines.map(({ name }) => name);
    checks.check(
      'RCS, BCS, VCS and VECS are accounted for',
      ENGINES.every((name) => names.includes(name)),
      names.join(' '),
    );
    for (const engine of engines.filter(({ name }) => (ENGINES as readonly string[]).includes(name))) {
      checkEngine(scene, engine);
    }
    await checkRegisters(scene);
    await checkMetrics(scene);
  });
}
