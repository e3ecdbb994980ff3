/**
 * A guest whose slice of a physical aperture is mapped into its BAR2: what it stores is in the BAR's memory, at the slice's
 * own place, and the other way round, and nobody was asked. The BAR is a file of the host (see APERTURE_BAR). This comes
 * before i915 is there: a driver's BARs are closed to /dev/mem.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { XengtError } from '../../../src/base/index.js';
import type { Machine } from '../boot.js';
import type { XenGuest } from '../guest.js';
import { type Served, vgpuOf } from './scene.js';

/** PVINFO: base of the mappable part (Linux: i915_pvinfo.h, vgt_if.avail_rs.mappable_gmadr). */
const PVINFO_LOW_BASE = 0x78040;
const PAGE = 4096;

/** The first and the last page of a slice, and one between. */
function places(bytes: number): number[] {
  return [0, 5 * PAGE + 0x10, bytes - PAGE, bytes - 4];
}

function withFile<T>(machine: Machine, work: (file: number) => T): T {
  const file = openSync(machine.aperture, 'r+');
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

function readWord(machine: Machine, at: number): number {
  const word = Buffer.alloc(4);
  withFile(machine, (file) => readSync(file, word, 0, 4, at));
  return word.readUInt32LE(0);
}

function writeWord(machine: Machine, at: number, value: number): void {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(value);
  withFile(machine, (file) => writeSync(file, word, 0, 4, at));
}

async function bars(guest: XenGuest): Promise<{ registers: number; aperture: number }> {
  const lines = await guest.mustStep('sh', 'cat /sys/bus/pci/devices/0000:00:02.0/resource');
  const start = (line: string | undefined) => Number(line?.split(' ')[0]);
  const registers = start(lines[0]);
  const aperture = start(lines[2]);
  if (registers > 0 && aperture > 0) return { registers, aperture };
  throw new XengtError('XENGT_E_IO', `${guest.name}: its BARs cannot be read: ${lines.join(' / ')}`);
}

async function load(guest: XenGuest, address: number): Promise<number> {
  const lines = await guest.mustStep('sh', `devmem 0x${address.toString(16)} 32`);
  return Number(lines.at(-1));
}

async function apertureTraps(scene: Served, guest: XenGuest): Promise<number> {
  const { id } = await vgpuOf(scene, guest);
  const stats = (await scene.daemon.api.stats()).vgpus.find((one) => one.id === id);
  const traps = stats?.traps.aperture;
  if (traps === undefined) throw new XengtError('XENGT_E_NOT_FOUND', `no statistics of ${guest.name}`);
  return traps.read + traps.write;
}

export async function apertureIsMapped(scene: Served, guest: XenGuest, who: string): Promise<void> {
  const { checks, machine } = scene;
  await checks.works(`${who}: its slice of the physical aperture can be used`, async () => {
    const { registers, aperture } = await bars(guest);
    const base = await load(guest, registers + PVINFO_LOW_BASE);
    const before = await apertureTraps(scene, guest);
    const wrong: string[] = [];
    for (const [index, place] of places(scene.vgpu.lowMiB * 2 ** 20).entries()) {
      const stored = 0xc0de_0000 + index;
      await guest.mustStep('sh', `devmem 0x${(aperture + base + place).toString(16)} 32 0x${stored.toString(16)}`);
      const seen = readWord(machine, base + place);
      if (seen !== stored)
        wrong.push(`stored 0x${stored.toString(16)} at 0x${place.toString(16)}, the BAR has 0x${seen.toString(16)}`);
      const other = 0xfeed_0000 + index;
      writeWord(machine, base + place, other);
      const loaded = await load(guest, aperture + base + place);
      if (loaded !== other)
        wrong.push(`the BAR has 0x${other.toString(16)} at 0x${place.toString(16)}, read 0x${loaded.toString(16)}`);
    }
    const text = wrong.join('\n        ');
    checks.check(
      `${who}: what it stores in its slice is in the physical BAR, and the other way round`,
      wrong.length === 0,
      text,
    );
    const traps = (await apertureTraps(scene, guest)) - before;
    checks.check(`${who}: none of these accesses was trapped`, traps === 0, `${traps} traps`);
  });
}
