/**
 * One guest hangs the render engine as fast as its driver can get rid of that, beside one that renders. The other's frame times
 * are held against its own of the same run, without the hangs.
 */
import { checkKernelLog } from './books.js';
import { bootAgain, type CrowdOptions, type FrameReport, type Member } from './crowd.js';
import { type SharesScene, say } from './shares.js';

/** Of the whole scene, a minute of hangs. */
const HANG_SECONDS = 60;
/** Before and after each, the other has the device to itself. */
const QUIET_SECONDS = 30;
const EVERY_MS = 1000;
/** So that the driver finds a hang within a second instead of after 15. */
const HEARTBEAT_MS = 100;
const PERIOD_US = 8000;
const DETACH_LIMIT_MS = 10_000;
/** What a driver says of its own hangs, and of a device that has become memory. */
const OWN_HANGS = /GPU HANG|reset request timed out|Failed to reset chip/;

/** How the engine is hung, and what that is. */
const WAYS = [
  ['wait', 'waits for a semaphore that nobody signals'],
  ['loop', 'runs an endless loop'],
] as const;

function sayFrames(who: string, report: FrameReport): void {
  const { frames, p50Us, p90Us, p99Us, longestUs } = report;
  say(`${who}: ${frames} frames, µs: half in ${p50Us}, 90 % in ${p90Us}, 99 % in ${p99Us}, the longest ${longestUs}`);
}

export async function hangs(scene: SharesScene, options: CrowdOptions, members: Member[]): Promise<void> {
  const { checks } = scene;
  const [guilty, other] = members;
  if (guilty === undefined || other === undefined) return;
  await checks.works(`${other.name} renders alone, and beside one that hangs the engine`, async () => {
    await guilty.setHeartbeat(HEARTBEAT_MS);
    let before = await quiet(scene, other);
    for (const [way, what] of WAYS) before = await oneWay(scene, guilty, other, before, way, what);
    await checkKernelLog(checks, guilty, OWN_HANGS);
    await checkKernelLog(checks, other, null);
  });
  await comesBack(scene, options, guilty, members);
}

async function quiet(scene: SharesScene, other: Member): Promise<FrameReport> {
  const alone = await other.frames(scene.frameUs, QUIET_SECONDS, scene.queued);
  sayFrames(`${other.name} alone`, alone);
  return alone;
}

/**
 * Frame times are held against those before and after, whichever are longer: what else the host is busy with makes them longer too.
 * @returns those after
 */
async function oneWay(
  scene: SharesScene,
  guilty: Member,
  other: Member,
  before: FrameReport,
  way: 'wait' | 'loop',
  what: string,
): Promise<FrameReport> {
  const { checks, client } = scene;
  const [hung, beside] = await Promise.all([
    guilty.hangs(EVERY_MS, HANG_SECONDS, way),
    other.frames(scene.frameUs, HANG_SECONDS, scene.queued),
  ]);
  const { state, reason } = await client.vgpu(guilty.vgpuId);
  const slice = PERIOD_US / scene.members.length;
  const longest = Math.max(0, ...hung);
  say(`${guilty.name} ${what}: ${hung.length} times, ${longest} ms at most; then it is ${state} (${reason})`);
  sayFrames(`${other.name} beside that`, beside);
  const after = await quiet(scene, other);
  const alone = Math.max(before.p99Us, after.p99Us);
  checks.check(`${guilty.name} ${what}, three times at least`, hung.length >= 3, `${hung.length} times`);
  checks.check(
    `${other.name}: 99 of 100 frames take less than a slice (${slice} µs) longer while ${guilty.name} ${what}`,
    beside.p99Us - alone < slice,
    `${alone} µs alone, ${beside.p99Us} µs beside that`,
  );
  // A driver that is rid of its hang every time goes on a minute long; else it is stopped.
  const recovered = state === 'attached' && hung.length >= HANG_SECONDS / 3;
  checks.check(`${guilty.name}'s driver recovers, or it is in failsafe`, recovered || state === 'failsafe', state);
  const { state: others } = await client.vgpu(other.vgpuId);
  checks.check(`${other.name} is not in failsafe`, others === 'attached', others);
  return after;
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
