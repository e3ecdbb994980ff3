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
import { accountOf, judge } from './judge.js';
import { type Look, look, type Window, watch } from './sampler.js';

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
/** Seconds in which all had. */
const LEAST_COUNTED = 10;
/** How often a scene is played until it has shown as many: a busy host lets guests be idle. */
const MOST_ROUNDS = 3;
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

interface Sum {
  readonly windows: readonly Window[];
  /** What the frames of each took by its own account, and what it was charged, s. */
  readonly frameSeconds: readonly number[];
  readonly charged: readonly number[];
}

function together(rounds: readonly Loaded[]): Sum {
  const places = rounds[0]?.charged.map((_, i) => i) ?? [];
  return {
    windows: rounds.flatMap(({ windows }) => windows),
    frameSeconds: places.map((i) => rounds.reduce((all, { reports }) => all + (reports[i]?.gpuUs ?? 0) / 1e6, 0)),
    charged: places.map((i) => rounds.reduce((all, { charged }) => all + (charged[i] ?? 0), 0)),
  };
}

async function setWeights(scene: SharesScene, loaded: readonly Member[], weights: readonly number[]): Promise<void> {
  for (const member of scene.members) {
    const at = loaded.indexOf(member);
    await scene.client.setShare(member.vgpuId, { weight: at < 0 ? 1 : (weights[at] ?? 1), cap: 100 });
  }
}

/** What the engine's clock says in the guest, and what the daemon charged. */
function checkCharges(scene: SharesScene, what: string, loaded: readonly Member[], result: Sum): void {
  const off = loaded.map((_, i) => (result.charged[i] ?? 0) / (result.frameSeconds[i] ?? 0) - 1);
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
    const ids = loaded.map(({ vgpuId }) => vgpuId);
    const rounds: Loaded[] = [];
    let verdict = judge([], ids, weights);
    while (verdict.counted < LEAST_COUNTED && rounds.length < MOST_ROUNDS) {
      rounds.push(await loadAndWatch(scene, loaded));
      verdict = judge(
        rounds.flatMap(({ windows }) => windows),
        ids,
        weights,
      );
    }
    const result = together(rounds);
    const { counted, means, worst, shortest, least } = verdict;
    const sum = weights.reduce((all, weight) => all + weight, 0);
    const ran = result.windows.map(({ seconds, idle, switching }) => 1 - (idle + switching) / seconds);
    say(`shares meant: ${weights.map((weight) => percent(weight / sum)).join(', ')}`);
    say(`shares seen:  ${means.map(percent).join(', ')}; in a second off by ${percent(worst)} at most`);
    say(
      `seconds in which all had work throughout: ${counted} of ${result.windows.length}; the engine ran ${percent(mean(ran))} of all`,
    );
    checks.check(
      `${what}: all have work throughout in ${LEAST_COUNTED} of the seconds at least`,
      counted >= LEAST_COUNTED,
      `${counted} of ${result.windows.length}; least that each had work in a second: ${least.map(percent).join(', ')}`,
    );
    checks.check(
      `${what}: shares are within 1 % over each second in which all have work throughout`,
      counted > 0 && worst <= TOLERANCE,
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
    const passes = Math.min(Math.floor(((longest[i] ?? 0) + PERIOD_S / 4) / (slice[i] ?? 1)), 125) + 1;
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
    const parts = result.windows.map((window) => accountOf(window, first.vgpuId).running / window.seconds);
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
