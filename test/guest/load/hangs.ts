/**
 * One guest hangs the render engine as fast as its driver can get rid of that, beside one that renders. The other's frame times
 * are held against its own of the same run, without the hangs.
 */
import { checkKernelLog } from './books.js';
import { bootAgain, type CrowdOptions, type Member } from './crowd.js';
import { type SharesScene, say } from './shares.js';

/** Of the whole scene, a minute of hangs. */
const HANG_SECONDS = 60;
const QUIET_SECONDS = 60;
const EVERY_MS = 1000;
/** So that the driver finds a hang within a second instead of after 15. */
const HEARTBEAT_MS = 100;
const PERIOD_US = 8000;
const DETACH_LIMIT_MS = 10_000;
/** What a driver says of its own hangs, and of a device that has become memory. */
const OWN_HANGS = /GPU HANG|reset request timed out|Failed to reset chip/;

export async function hangs(scene: SharesScene, options: CrowdOptions, members: Member[]): Promise<void> {
  const { checks, client } = scene;
  const [guilty, other] = members;
  if (guilty === undefined || other === undefined) return;
  await checks.works(
    `${other.name} renders for a minute alone, and for a minute beside one that hangs the engine`,
    async () => {
      await guilty.setHeartbeat(HEARTBEAT_MS);
      const alone = await other.frames(scene.frameUs, QUIET_SECONDS, scene.queued);
      const [hung, beside] = await Promise.all([
        guilty.hangs(EVERY_MS, HANG_SECONDS, 'loop'),
        other.frames(scene.frameUs, HANG_SECONDS, scene.queued),
      ]);
      const { state, reason } = await client.vgpu(guilty.vgpuId);
      const slice = PERIOD_US / members.length;
      say(`${guilty.name}: hangs of ${hung.join(', ')} ms; then it is ${state}${reason === null ? '' : `: ${reason}`}`);
      for (const [what, of] of [
        ['alone', alone],
        ['beside the hangs', beside],
      ] as const) {
        say(
          `${other.name} ${what}: ${of.frames} frames, µs: half in ${of.p50Us}, 90 % in ${of.p90Us}, 99 % in ${of.p99Us}, the longest ${of.longestUs}`,
        );
      }
      checks.check(`${guilty.name} did hang the engine`, hung.length >= 3, `${hung.length} times`);
      checks.check(
        `${other.name}: 99 of 100 frames take less than a slice (${slice} µs) longer beside the hangs`,
        beside.p99Us - alone.p99Us < slice,
        `${alone.p99Us} µs alone, ${beside.p99Us} µs beside them`,
      );
      // A driver that is always rid of its hang within a second hangs the engine a minute long; else it is stopped.
      const recovered = state === 'attached' && hung.length >= HANG_SECONDS / 2;
      checks.check(`${guilty.name}'s driver recovers, or it is in failsafe`, recovered || state === 'failsafe', state);
      const { state: others } = await client.vgpu(other.vgpuId);
      checks.check(`${other.name} is not in failsafe`, others === 'attached', others);
      await checkKernelLog(checks, guilty, OWN_HANGS);
      await checkKernelLog(checks, other, null);
    },
  );
  await comesBack(scene, options, guilty, members);
}

/** Rebooted, the guest finds a device that works again. */
async function comesBack(
  { checks, client }: SharesScene,
  options: CrowdOptions,
  guilty: Member,
  members: Member[],
): Promise<void> {
  checks.check(`${guilty.name}: the guest switches itself off`, await guilty.guest.powerOff());
  const again = await checks.works(`${guilty.name} boots again on the same vGPU, and renders`, async () => {
    await client.reaches(guilty.vgpuId, 'waiting', DETACH_LIMIT_MS);
    const member = await bootAgain(options, guilty);
    await member.frames(2000, 2, 2);
    return member;
  });
  if (again !== undefined) members[members.indexOf(guilty)] = again;
}
