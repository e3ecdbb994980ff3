/** Recorded guests take the places of two real ones, and the other five go on rendering beside them. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { projectRoot } from '../paths.js';
import { look, windowBetween } from './sampler.js';
import { loadAndWatch, type SharesScene, say } from './shares.js';

/** Journals by the place in the device that they need, which is that of the guest that was there. */
const JOURNALS = ['1-linux-6.1-monitor.xj', '2-linux-6.12-monitor.xj'];

export async function mixed(scene: SharesScene): Promise<void> {
  const { checks, client, members } = scene;
  const replaced = members.slice(0, JOURNALS.length);
  const real = members.slice(JOURNALS.length);
  await checks.works('five real guests and two replayed ones run at once', async () => {
    for (const { guest, vgpuId } of replaced) {
      await guest.powerOff();
      await client.removeVgpu(vgpuId);
    }
    const replays: { id: number; name: string }[] = [];
    for (const [i, journal] of JOURNALS.entries()) {
      replays.push(await client.replayVgpu(`replay${i + 1}`, join(projectRoot(), 'assets', 'journals', journal)));
    }
    for (const { vgpuId } of real) await client.setShare(vgpuId, { weight: 1, cap: 100 });
    await delay(1000);
    const before = await look(client);
    const { reports } = await loadAndWatch(scene, real);
    const after = await look(client);
    for (const [i, member] of real.entries()) {
      const report = reports[i];
      checks.check(
        `${member.name}: renders beside replayed guests`,
        (report?.frames ?? 0) > scene.seconds,
        `${report?.frames} frames`,
      );
    }
    for (const { id, name } of replays) {
      const ran = (after.accounts.get(id)?.running ?? 0) - (before.accounts.get(id)?.running ?? 0);
      const { state, reason } = await client.vgpu(id);
      say(`${name}: ${(1e3 * ran).toFixed(1)} ms of the render engine`);
      checks.check(`${name}: makes progress`, ran > 0 && state === 'attached', `${ran} s, ${state} (${reason})`);
    }
    const charged = real.map(
      ({ vgpuId }) => (after.accounts.get(vgpuId)?.running ?? 0) - (before.accounts.get(vgpuId)?.running ?? 0),
    );
    const total = charged.reduce((all, part) => all + part, 0);
    const measured = reports.reduce((all, { gpuUs }) => all + gpuUs / 1e6, 0);
    say(
      `real guests: charged ${total.toFixed(3)} s; their frames took ${measured.toFixed(3)} s by the engine's timestamps`,
    );
    checks.check('real guests are charged what their frames took, within 1 %', Math.abs(total / measured - 1) <= 0.01);
    const window = windowBetween(before, after);
    const all = [...window.accounts.values()].reduce((sum, { running }) => sum + running, 0);
    const off = (all + window.idle + window.switching) / window.seconds - 1;
    say(
      `all vGPUs ${all.toFixed(3)} s + idle ${window.idle.toFixed(3)} s + switching ${window.switching.toFixed(3)} s of ${window.seconds.toFixed(3)} s`,
    );
    checks.check(
      "what the seven were charged, idle and switching add up to the engine's time within 1 %",
      Math.abs(off) <= 0.01,
    );
    for (const { id } of replays) await client.removeVgpu(id);
  });
}
