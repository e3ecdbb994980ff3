/**
 * How things are timed: subjects and their baselines take turns, round by round, in one process. Whatever slows the machine
 * down for a while slows both, so that a ratio holds where an absolute figure would not. Each ratio is the median of the
 * ratios within a round.
 */

/** Does its operation `count` times. @returns a number that depends on the work, so that none of it can be left out */
export type Loop = (count: number) => number;

export interface Subject {
  readonly label: string;
  readonly loop: Loop;
  /** Labels of the baselines that it is measured against; default: all of them. */
  readonly against?: readonly string[];
}

export interface Row {
  readonly label: string;
  /** Median time of one operation, ns. */
  readonly ns: number;
  /** Half of the rounds lay within so much of the median, as a part of it. */
  readonly spread: number;
  /** Empty for a baseline. */
  readonly ratios: readonly Ratio[];
  /** What the figure is made of, where it is not obvious. */
  readonly note?: string;
}

/** How long an operation took relative to a baseline's. */
export interface Ratio {
  readonly baseline: string;
  readonly times: number;
}

/** What one benchmark found. */
export interface Table {
  /** Subjects, then the baselines. */
  readonly rows: readonly Row[];
  /** Why nothing could be measured; null when it could. */
  readonly skipped: string | null;
}

export interface Effort {
  /** Rounds that count. */
  readonly rounds: number;
  /** What a subject runs at least in one round, ns. */
  readonly roundNs: number;
  /** What a subject runs before the first round, ns. */
  readonly warmUpNs: number;
}

export const EFFORT: Effort = { rounds: 21, roundNs: 6e6, warmUpNs: 120e6 };

/** Keeps results alive. */
let sink = 0;

function time(loop: Loop, count: number): number {
  const start = process.hrtime();
  sink += loop(count);
  const [s, ns] = process.hrtime(start);
  return s * 1e9 + ns;
}

/** Runs until the compiler has had its say. @returns how many operations fill a round */
function warmUp(loop: Loop, effort: Effort): number {
  let count = 1;
  let spent = 0;
  let last = time(loop, count);
  while (last < effort.roundNs || spent < effort.warmUpNs) {
    spent += last;
    if (last < effort.roundNs) count = Math.ceil(count * Math.min(8, Math.max(1.3, effort.roundNs / (last + 1))));
    last = time(loop, count);
  }
  return Math.max(1, Math.round((count * effort.roundNs) / last));
}

/** Measures subjects beside their baselines. */
export function compare(baselines: readonly Subject[], subjects: readonly Subject[], effort: Effort): Table {
  const all = [...subjects, ...baselines];
  const counts = all.map(({ loop }) => warmUp(loop, effort));
  const times: number[][] = all.map(() => []);
  for (let round = 0; round < effort.rounds; round++) {
    // Who goes first changes, so that nobody always runs behind the same neighbour.
    for (let turn = 0; turn < all.length; turn++) {
      const i = (turn + round) % all.length;
      times[i]!.push(time(all[i]!.loop, counts[i]!) / counts[i]!);
    }
  }
  const rows = all.map(({ label, against }, i): Row => {
    const own = times[i]!;
    const ratios: Ratio[] = [];
    for (let b = 0; b < baselines.length && i < subjects.length; b++) {
      const baseline = baselines[b]!.label;
      if (against !== undefined && !against.includes(baseline)) continue;
      const other = times[subjects.length + b]!;
      ratios.push({ baseline, times: median(own.map((ns, round) => ns / other[round]!)) });
    }
    return { label, ns: median(own), spread: spreadOf(own), ratios };
  });
  return { rows, skipped: null };
}

export function skip(why: string): Table {
  return { rows: [], skipped: why };
}

/** Whether anything was computed at all: reading it keeps the loops from being pure. */
export function checksum(): number {
  return sink;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Half the distance between the quartiles, relative to the median. */
export function spreadOf(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);
}

/** By linear interpolation between the two nearest values. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
