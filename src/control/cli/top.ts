/** `xengt top`: what the engines did between two looks, per engine and per vGPU. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MediatorStats, VgpuStats } from '../../mediator/api.js';
import type { Client } from './client.js';
import type { Streams } from './streams.js';
import { type Column, table } from './table.js';

export interface TopOptions {
  readonly jsonLines: boolean;
  /** Looks to show; Infinity: until interrupted. */
  readonly count: number;
  readonly seconds: number;
}

/** Shares are of one engine's time, 0 to 1. */
export interface Look {
  readonly uptimeSeconds: number;
  readonly intervalSeconds: number;
  readonly engines: readonly {
    readonly name: string;
    readonly busy: number;
    readonly idle: number;
    readonly switching: number;
  }[];
  readonly vgpus: readonly {
    readonly id: number;
    readonly name: string;
    readonly vm: string;
    readonly state: VgpuStats['state'];
    readonly gpu: Readonly<Record<string, number>>;
    readonly trapsPerSecond: number;
    readonly interruptsPerSecond: number;
  }[];
}

const CLEAR = '\x1b[H\x1b[2J';

export async function top(client: Client, options: TopOptions, streams: Streams): Promise<void> {
  const signal = streams.interruption();
  let before = await client.json<MediatorStats>('GET', '/v1/stats');
  for (let shown = 0; shown < options.count; shown++) {
    try {
      await sleep(options.seconds * 1000, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const after = await client.json<MediatorStats>('GET', '/v1/stats');
    const look = between(before, after);
    streams.out(
      options.jsonLines ? `${JSON.stringify(look)}\n` : (streams.terminal ? CLEAR : '') + screen(after, look),
    );
    before = after;
  }
}

export function between(before: MediatorStats, after: MediatorStats): Look {
  const interval = Math.max(0, after.uptimeSeconds - before.uptimeSeconds);
  const perSecond = (count: number) => (interval > 0 ? Math.max(0, count) / interval : 0);
  return {
    uptimeSeconds: after.uptimeSeconds,
    intervalSeconds: interval,
    engines: after.engines.map((engine) => {
      const old = before.engines.find(({ name }) => name === engine.name);
      const total = engine.totalSeconds - (old?.totalSeconds ?? 0);
      const share = (now: number, then: number | undefined) => (total > 0 ? Math.max(0, now - (then ?? 0)) / total : 0);
      return {
        name: engine.name,
        busy: share(engine.busySeconds, old?.busySeconds),
        idle: share(engine.idleSeconds, old?.idleSeconds),
        switching: share(engine.switchingSeconds, old?.switchingSeconds),
      };
    }),
    vgpus: after.vgpus.map((vgpu) => {
      const old = before.vgpus.find(({ id, name }) => id === vgpu.id && name === vgpu.name);
      const gpu = Object.entries(vgpu.gpuSeconds).map(
        ([engine, seconds]) => [engine, perSecond(seconds - (old?.gpuSeconds[engine] ?? 0))] as const,
      );
      return {
        id: vgpu.id,
        name: vgpu.name,
        vm: vgpu.vm,
        state: vgpu.state,
        gpu: Object.fromEntries(gpu),
        trapsPerSecond: perSecond(trapsOf(vgpu) - (old === undefined ? 0 : trapsOf(old))),
        interruptsPerSecond: perSecond(vgpu.interrupts - (old?.interrupts ?? 0)),
      };
    }),
  };
}

function trapsOf(vgpu: VgpuStats): number {
  return Object.values(vgpu.traps).reduce((sum, { read, write }) => sum + read + write, 0);
}

const percent = (share: number) => `${(share * 100).toFixed(1)}%`.padStart(6);

function screen(stats: MediatorStats, look: Look): string {
  const head = `${stats.device}, ${stats.platform}, up ${stats.uptimeSeconds.toFixed(0)} s, isolation violations ${stats.isolationViolations}\n`;
  const engineTable = table(
    [
      { head: 'ENGINE', cell: (engine) => engine.name },
      { head: '  BUSY', cell: (engine) => percent(engine.busy) },
      { head: '  IDLE', cell: (engine) => percent(engine.idle) },
      { head: 'SWITCH', cell: (engine) => percent(engine.switching) },
    ],
    look.engines,
  );
  const perEngine = stats.engines.map(
    ({ name }): Column<Look['vgpus'][number]> => ({
      head: name.padStart(6),
      cell: (vgpu) => percent(vgpu.gpu[name] ?? 0),
    }),
  );
  const vgpuTable = table(
    [
      { head: 'ID', cell: (vgpu) => vgpu.id },
      { head: 'VGPU', cell: (vgpu) => vgpu.name },
      { head: 'VM', cell: (vgpu) => vgpu.vm },
      { head: 'STATE', cell: (vgpu) => vgpu.state },
      ...perEngine,
      { head: 'TRAPS/s', cell: (vgpu) => Math.round(vgpu.trapsPerSecond) },
      { head: 'IRQS/s', cell: (vgpu) => Math.round(vgpu.interruptsPerSecond) },
    ],
    look.vgpus,
  );
  return `${head}\n${engineTable}\n${vgpuTable}\n`;
}
