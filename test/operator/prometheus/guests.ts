/** Three guests of QEMU at work: what Prometheus has of their GPU time is what they measured themselves, by the engine's clock. */
import { setTimeout as delay } from 'node:timers/promises';
import { bootMember, type Member } from '../../guest/load/crowd.js';
import { Mediator } from '../../guest/mediator.js';
import { newLogFolder } from '../../guest/paths.js';
import { type Progress, provision } from '../../guest/provision/index.js';
import { newRunFolder } from '../../guest/run-folder.js';
import type { Prometheus } from './prometheus.js';

type Check = (what: string, good: boolean, saw?: string) => void;

const KERNEL = 'trixie';
const GUESTS = ['guest1', 'guest2', 'guest3'];
/** Engine time of a frame, and how long each guest renders them. */
const FRAME_US = 10_000;
const SECONDS = 15;
const QUEUED = 4;
/** What was charged may differ from what the guests measured by this part of it. */
const TOLERANCE = 0.01;
/** Some scrapes. */
const SCRAPED_MS = 6000;

async function charged(prometheus: Prometheus): Promise<Map<string, number>> {
  await delay(SCRAPED_MS);
  const samples = await prometheus.queryUntilThere('sum by (vm) (xengt_vgpu_gpu_seconds_total{engine="RCS"})');
  return new Map(samples.map(({ labels, value }) => [labels.vm ?? '', value]));
}

/** @param start has Prometheus scrape this address */
export async function guestsAtWork(
  prometheus: Prometheus,
  start: (target: string) => Promise<void>,
  check: Check,
  progress: Progress,
): Promise<void> {
  const rig = await provision([KERNEL], progress);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  const mediator = await Mediator.start(runFolder, logFolder, ['--xen', 'off']);
  const members: Member[] = [];
  try {
    await start(`127.0.0.1:${mediator.metricsPort}`);
    const { client } = mediator;
    const options = { client, rig, kernel: KERNEL, type: 'V5_8', memoryMiB: 512, runFolder, logFolder };
    for (const name of GUESTS) {
      members.push(await bootMember(options, name));
      progress(`${name} has booted`);
    }
    const before = await charged(prometheus);
    const reports = await Promise.all(members.map((member) => member.frames(FRAME_US, SECONDS, QUEUED)));
    const after = await charged(prometheus);
    let measured = 0;
    let counted = 0;
    members.forEach(({ name }, i) => {
      const own = (reports[i]?.gpuUs ?? Number.NaN) / 1e6;
      const theirs = (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
      measured += own;
      counted += theirs;
      progress(`${name}: ${own.toFixed(4)} s of engine time measured, ${theirs.toFixed(4)} s charged`);
      check(`${name} was given engine time`, own > 1 && theirs > 1, `${own} s measured, ${theirs} s charged`);
    });
    const off = Math.abs(counted - measured) / measured;
    check(
      "GPU seconds of three VMs in Prometheus are the guests' own engine busy time within 1 %",
      off <= TOLERANCE,
      `${measured} s measured, ${counted} s charged, ${(off * 100).toFixed(2)} % off`,
    );
  } finally {
    for (const { guest } of members) {
      guest.kill();
      await guest.exited;
    }
    await mediator.stop();
  }
}
