/** The daemon's own books after its guests' work. They are of all guests so far, also of those that are gone. */
import { ENGINES, type Served } from './scene.js';

const TOLERANCE = 0.01;

export async function accounts(scene: Served): Promise<void> {
  const { checks, daemon } = scene;
  await checks.works("the daemon's books can be read", async () => {
    const isolation = await daemon.api.isolation();
    const seen = isolation.last.slice(0, 5).join('\n        ');
    checks.check('0 isolation violations', isolation.violations === 0, `${isolation.violations}: ${seen}`);
    const stats = await daemon.api.stats();
    checks.check('0 unanswered traps', stats.unansweredTraps === 0, `${stats.unansweredTraps}`);
    for (const name of ENGINES) {
      const engine = stats.engines.find((one) => one.name === name);
      const sum = (engine?.busySeconds ?? 0) + (engine?.idleSeconds ?? 0) + (engine?.switchingSeconds ?? 0);
      const total = engine?.totalSeconds ?? 0;
      checks.check(
        `${name}: busy, idle and switching time are the engine's time within 1 %`,
        total > 0 && (engine?.busySeconds ?? 0) > 0 && Math.abs(sum - total) <= TOLERANCE * total,
        JSON.stringify(engine),
      );
    }
  });
}
