/**
 * Shares of the render engine, caps, and how long work waits. What is held against the daemon is what docs/scheduler.md
 * promises: shares are promised to those who have work throughout. By the daemon's accounts a guest has work while it runs, is
 * switched or waits; the rest of the time it was idle, because its own processor had not got so far. Who had work throughout a
 * second has no less than its share in it, whatever the others did; and where all had, nobody has more. A run with too few
 * seconds of the latter kind has shown nothing, and fails.
 */
import type { Checks } from '../checks.js';
import type { MediatorClient } from '../mediator.js';
import type { FrameReport, Member } from './crowd.js';
import { type Account, type Look, look, type Window, watch } from './sampler.js';

export interface SharesScene {
  readonly checks: Checks;
  readonly client: MediatorClient;
  /** All that are attached; those that a scene does not load are idle. */
  readonly members: readonly Member[];
  readonly frameUs: number;
  readonly queued: number;
  readonly seconds: number;
}

/** Before everybody's load has begun, and after the first has ended, nothing is looked at, s. */
const START_SECONDS = 4;
const END_SECONDS = 2;
const TOLERANCE = 0.01;
/** Of a second, in which a guest must have had work for its work to count as work throughout. */
const READY = 0.99;
/** Seconds in which all had. */
const LEAST_COUNTED = 10;
const PERIOD_S = 0.008;

export const percent = (part: number): string => `${(100 * part).toFixed(2)} %`;
const mean = (values: readonly number[]): number =>
  values.reduce((all, one) => all + one, 0) / Math.max(1, values.length);
export const say = (text: string): void => {
  process.stdout.write(`        ${text}\n`);
};

export interface Loaded {
  readonly windows: readonly Window[];
  readonly reports: readonly FrameReport[];
  /** What each was charged from before its first frame to after its last, s. */
  readonly charged: readonly number[];
}

/** Has `loaded` render for as long as it takes to look at it `seconds` times. */
export async function loadAndWatch(scene: SharesScene, loaded: readonly Member[]): Promise<Loaded> {
  const { client, frameUs, queued, seconds } = scene;
  const before = await look(client);
  const all = START_SECONDS + seconds + END_SECONDS;
  const running = loaded.map((member) => member.frames(frameUs, all, queued));
  // Whoever fails meanwhile is heard of below.
  const ended = Promise.allSettled(running);
  await new Promise((resolve) => setTimeout(resolve, START_SECONDS * 1000));
  const windows = await watch(client, seconds);
  await ended;
  const reports = await Promise.all(running);
  const after = await look(client);
  const charged = loaded.map(
    ({ vgpuId }) => (after.accounts.get(vgpuId)?.running ?? 0) - (before.accounts.get(vgpuId)?.running ?? 0),
  );
  return { windows, reports, charged };
}

const NOTHING: Account = { running: 0, switching: 0, waiting: 0 };

function accountOf(window: Window, member: Member): Account {
  return window.accounts.get(member.vgpuId) ?? NOTHING;
}

/** Part of a window in which a guest had work. */
function ready(window: Window, member: Member): number {
  const { running, switching, waiting } = accountOf(window, member);
  return (running + switching + waiting) / window.seconds;
}

async function setWeights(scene: SharesScene, loaded: readonly Member[], weights: readonly number[]): Promise<void> {
  for (const member of scene.members) {
    const at = loaded.indexOf(member);
    await scene.client.setShare(member.vgpuId, { weight: at < 0 ? 1 : (weights[at] ?? 1), cap: 100 });
  }
}

/** What the engine's clock says in the guest, and what the daemon charged. */
function checkCharges(scene: SharesScene, what: string, loaded: readonly Member[], result: Loaded): void {
  const off = loaded.map((_, i) => (result.charged[i] ?? 0) / ((result.reports[i]?.gpuUs ?? 0) / 1e6) - 1);
  say(
    `charged beside what the guests' own frames took: ${off.map((part) => `${part >= 0 ? '+' : ''}${percent(part)}`).join(', ')}`,
  );
  scene.checks.check(
    `${what}: each is charged what its frames took by the engine's timestamps, within 1 %`,
    off.every((part) => Math.abs(part) <= TOLERANCE),
    off.map((part, i) => `${loaded[i]?.name} ${percent(part)}`).join(', '),
  );
}

/** `weights.length` guests load the engine; each second is looked at. */
export async function weighted(scene: SharesScene, weights: readonly number[]): Promise<void> {
  const { checks, members } = scene;
  const loaded = members.slice(0, weights.length);
  const what = `${weights.length} guests ${weights.join(':')}`;
  await checks.works(`${what}: all render for ${scene.seconds} s`, async () => {
    await setWeights(scene, loaded, weights);
    const result = await loadAndWatch(scene, loaded);
    const sum = weights.reduce((all, weight) => all + weight, 0);
    const counted = result.windows.filter((window) => loaded.every((member) => ready(window, member) >= READY));
    let worst = 0;
    let shortest = 0;
    const means = loaded.map(() => 0);
    for (const window of result.windows) {
      const ran = loaded.map((member) => accountOf(window, member).running);
      const all = ran.reduce((whole, part) => whole + part, 0);
      for (const [i, member] of loaded.entries()) {
        const off = (ran[i] ?? 0) / all - (weights[i] ?? 0) / sum;
        const idle = 1 - ready(window, member);
        if (idle <= 1 - READY) shortest = Math.max(shortest, -off - idle);
        if (!counted.includes(window)) continue;
        means[i] = (means[i] ?? 0) + (ran[i] ?? 0) / all / counted.length;
        worst = Math.max(worst, Math.abs(off));
      }
    }
    const ran = result.windows.map(({ seconds, idle, switching }) => 1 - (idle + switching) / seconds);
    say(`shares meant: ${weights.map((weight) => percent(weight / sum)).join(', ')}`);
    say(`shares seen:  ${means.map(percent).join(', ')}; in a second off by ${percent(worst)} at most`);
    say(
      `seconds in which all had work throughout: ${counted.length} of ${result.windows.length}; the engine ran ${percent(mean(ran))} of all`,
    );
    const lazy = loaded.map((member) => Math.min(...result.windows.map((window) => ready(window, member))));
    checks.check(
      `${what}: all have work throughout in ${LEAST_COUNTED} of the seconds at least`,
      counted.length >= LEAST_COUNTED,
      `${counted.length} of ${result.windows.length}; least that each had work in a second: ${lazy.map(percent).join(', ')}`,
    );
    checks.check(
      `${what}: shares are within 1 % over each second in which all have work throughout`,
      counted.length > 0 && worst <= TOLERANCE,
      percent(worst),
    );
    checks.check(
      `${what}: in every second, who has work throughout has no less than its share and 1 %`,
      shortest <= TOLERANCE,
      percent(shortest),
    );
    checkCharges(scene, what, loaded, result);
    await checkWaits(scene, what, weights, await look(scene.client));
  });
}

/**
 * The longest wait since the daemon began, against what docs/scheduler.md proves for these weights, with the longest
 * occupations that the daemon has seen. Scenes come in the order of their bounds.
 */
async function checkWaits(scene: SharesScene, what: string, weights: readonly number[], seen: Look): Promise<void> {
  const { checks, members } = scene;
  const weightOf = members.map((_, i) => weights[i] ?? 1);
  const all = weightOf.reduce((sum, weight) => sum + weight, 0);
  const slice = weightOf.map((weight) => (PERIOD_S * weight) / all);
  const longest = members.map(({ vgpuId }) => seen.longestRun.get(vgpuId) ?? 0);
  const rows = members.slice(0, weights.length).map((member, i) => {
    const passes = Math.min(Math.floor((longest[i] ?? 0) / (slice[i] ?? 1)), 125) + 1;
    let bound = 0;
    for (const [j] of members.entries()) {
      if (j !== i) bound += 2 * ((passes + 2) * (slice[j] ?? 0) + (longest[j] ?? 0));
    }
    return { name: member.name, waited: seen.longestWait.get(member.vgpuId) ?? 0, bound };
  });
  const text = rows
    .map(({ name, waited, bound }) => `${name} ${(1e3 * waited).toFixed(1)} of ${(1e3 * bound).toFixed(1)}`)
    .join(', ');
  say(`longest waits, ms, of what is proven: ${text}`);
  checks.check(
    `${what}: no work waited longer than docs/scheduler.md proves`,
    rows.every(({ waited, bound }) => waited <= bound),
    text,
  );
}

/** The first of two has a cap; the other wants all that there is. */
export async function capped(scene: SharesScene, cap: number, alone: boolean): Promise<void> {
  const { checks, client, members } = scene;
  const loaded = members.slice(0, alone ? 1 : 2);
  const what = alone
    ? `a guest with a cap of ${cap} %, alone`
    : `a guest with a cap of ${cap} % and weight 4 beside another`;
  await checks.works(`${what}: renders for ${scene.seconds} s`, async () => {
    await setWeights(scene, loaded, [4, 1]);
    const [first] = loaded;
    if (first === undefined) return;
    await client.setShare(first.vgpuId, { cap });
    const result = await loadAndWatch(scene, loaded);
    await client.setShare(first.vgpuId, { cap: 100 });
    const parts = result.windows.map((window) => accountOf(window, first).running / window.seconds);
    const most = Math.max(...parts);
    const part = mean(parts);
    say(`of the engine it had ${percent(part)}, in one second ${percent(most)} at most`);
    checks.check(
      `${what}: it never has more in a second than its cap and 1 %`,
      most <= cap / 100 + TOLERANCE,
      percent(most),
    );
    checks.check(`${what}: it has most of what its cap allows`, part >= 0.9 * (cap / 100), percent(part));
  });
}
