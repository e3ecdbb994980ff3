/** What a simulation came to, as numbers for a file and as lines for people. */
import { jain, type SimResult } from './engine.js';
import type { Scenario } from './scenarios.js';

export interface ClientReport {
  readonly name: string;
  readonly weight: number;
  readonly cap: number;
  readonly priority: number;
  /** Part of all that was run, and the part that it was meant to have, if any. */
  readonly share: number;
  readonly meant: number | null;
  /** Part of the time. */
  readonly used: number;
  /** Farthest that its part of any whole second's work was from the meant one. */
  readonly worstSecond: number | null;
  readonly slices: number;
  readonly waitMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly longest: number };
}

export interface ScenarioReport {
  readonly name: string;
  readonly policy: string;
  readonly slices: number;
  readonly seconds: number;
  readonly idle: number;
  readonly switching: number;
  /** Jain's index of what each got relative to what it was meant to get, where that is known. */
  readonly jain: number | null;
  readonly clients: readonly ClientReport[];
}

export function reportOf(scenario: Scenario, result: SimResult): ScenarioReport {
  const { now, clients } = result;
  const loads = scenario.loads();
  const all = clients.reduce((sum, { ranNs }) => sum + ranNs, 0);
  // The first second teaches think times, the last is cut short.
  const seconds = Math.floor(now / result.windowNs);
  const sums = Array.from({ length: seconds }, (_, second) =>
    clients.reduce((sum, { windows }) => sum + (windows[second] ?? 0), 0),
  );
  const rows = clients.map(({ name, ranNs, slices, waits, windows }, i): ClientReport => {
    const meant = scenario.meant?.[i] ?? null;
    const { weight, cap, priority } = loads[i]!.share;
    let worst = 0;
    for (let second = 1; second < seconds && meant !== null; second++) {
      worst = Math.max(worst, Math.abs((windows[second] ?? 0) / sums[second]! - meant));
    }
    const ms = (percent: number) => waits.percentile(percent) / 1e6;
    return {
      name,
      weight,
      cap,
      priority,
      share: ranNs / all,
      meant,
      used: ranNs / now,
      worstSecond: meant === null || seconds < 2 ? null : worst,
      slices,
      waitMs: { p50: ms(50), p90: ms(90), p99: ms(99), longest: ms(100) },
    };
  });
  return {
    name: scenario.name,
    policy: scenario.policy,
    slices: result.slices,
    seconds: now / 1e9,
    idle: result.idleNs / now,
    switching: result.switchingNs / now,
    jain: scenario.meant ? jain(rows.map((row) => row.share / (row.meant ?? 1))) : null,
    clients: rows,
  };
}

const percent = (part: number) => `${(100 * part).toFixed(2)} %`;

export function lines(report: ScenarioReport): string {
  const { name, policy, slices, seconds, idle, switching } = report;
  const head = `${name} (${policy}): ${slices} slices, ${seconds.toFixed(1)} s, idle ${percent(idle)}, switching ${percent(switching)}${report.jain === null ? '' : `, Jain ${report.jain.toFixed(4)}`}`;
  const rows = report.clients.map(({ name: client, share, used, meant, worstSecond, waitMs }) => {
    const aim = meant === null ? '' : ` of ${percent(meant)}`;
    const worst = worstSecond === null ? '' : `, worst second off by ${percent(worstSecond)}`;
    const waits = `waits p50 ${waitMs.p50.toFixed(2)} p99 ${waitMs.p99.toFixed(2)} longest ${waitMs.longest.toFixed(2)} ms`;
    return `  ${client.padEnd(12)} ${percent(share)}${aim}, ${percent(used)} of the time${worst}; ${waits}`;
  });
  return `${[head, ...rows].join('\n')}\n`;
}
