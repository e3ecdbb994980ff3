/** The daemon's accounts of one engine, looked at once a second; a window is what lies between two looks, by the daemon's clock. */
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import type { MediatorStats } from '../../../src/mediator/api.js';
import type { MediatorClient } from '../mediator.js';

export const ENGINE = 'RCS';
const WINDOW_MS = 1000;

/** Where the time of one vGPU went on the engine, s. */
export interface Account {
  readonly running: number;
  readonly switching: number;
  readonly waiting: number;
}

export interface Look {
  /** Engine time since the daemon took the engine over, and where it went. */
  readonly total: number;
  readonly busy: number;
  readonly idle: number;
  readonly switching: number;
  readonly accounts: ReadonlyMap<number, Account>;
  /** The longest wait and the longest occupation so far, s, by vGPU. */
  readonly longestWait: ReadonlyMap<number, number>;
  readonly longestRun: ReadonlyMap<number, number>;
}

export interface Window {
  readonly seconds: number;
  readonly idle: number;
  readonly switching: number;
  readonly accounts: ReadonlyMap<number, Account>;
}

function lookOf(stats: MediatorStats): Look {
  const engine = stats.engines.find(({ name }) => name === ENGINE);
  if (engine === undefined) throw new XengtError('XENGT_E_NOT_FOUND', `the daemon has no engine ${ENGINE}`);
  const time = stats.vgpus.map(({ id, engineTime }) => ({ id, of: engineTime[ENGINE] }));
  return {
    total: engine.totalSeconds,
    busy: engine.busySeconds,
    idle: engine.idleSeconds,
    switching: engine.switchingSeconds,
    accounts: new Map(
      stats.vgpus.map(({ id, gpuSeconds, engineTime }) => [
        id,
        {
          running: gpuSeconds[ENGINE] ?? 0,
          switching: engineTime[ENGINE]?.switchingSeconds ?? 0,
          waiting: engineTime[ENGINE]?.waits.seconds ?? 0,
        },
      ]),
    ),
    longestWait: new Map(time.map(({ id, of }) => [id, of?.waits.longestSeconds ?? 0])),
    longestRun: new Map(time.map(({ id, of }) => [id, of?.longestRunSeconds ?? 0])),
  };
}

export async function look(client: MediatorClient): Promise<Look> {
  return lookOf(await client.stats());
}

export function windowBetween(before: Look, after: Look): Window {
  const accounts = new Map<number, Account>();
  for (const [id, now] of after.accounts) {
    const then = before.accounts.get(id) ?? { running: 0, switching: 0, waiting: 0 };
    accounts.set(id, {
      running: now.running - then.running,
      switching: now.switching - then.switching,
      waiting: now.waiting - then.waiting,
    });
  }
  return {
    seconds: after.total - before.total,
    idle: after.idle - before.idle,
    switching: after.switching - before.switching,
    accounts,
  };
}

/** Looks `count` + 1 times, a second apart. */
export async function watch(client: MediatorClient, count: number): Promise<Window[]> {
  const windows: Window[] = [];
  let before = await look(client);
  let next = performance.now();
  for (let i = 0; i < count; i++) {
    next += WINDOW_MS;
    await delay(Math.max(0, next - performance.now()));
    const after = await look(client);
    windows.push(windowBetween(before, after));
    before = after;
  }
  return windows;
}
