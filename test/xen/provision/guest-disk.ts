/**
 * A guest's only disk: a hybrid ISO image with ISOLINUX, a stock kernel and an initramfs with i915 and the guest rig's
 * programs. Booting it through the firmware is several times faster here than `kernel=` in xl.cfg, whose loader copies
 * byte by byte.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { cacheFolder, programSource } from '../../guest/paths.js';
import { dropPartials, once, withCacheLock } from '../../guest/provision/cache.js';
import { type CpioEntry, cpioArchive } from '../../guest/provision/cpio.js';
import type { GuestProgram } from '../../guest/provision/initramfs.js';
import { checkKernelName, type Kernel, provisionKernel } from '../../guest/provision/kernels.js';
import { moduleClosure } from '../../guest/provision/modules.js';
import { provisionPrograms } from '../../guest/provision/program.js';
import { type Progress, showProgress } from '../../guest/provision/progress.js';
import { provisionQemuRoot, rootBusybox } from '../../guest/provision/qemu-root.js';
import { kernelCommandLine } from '../../guest/qemu.js';
import { xenCacheFolder } from '../paths.js';
import { provisionModeProgram } from './program.js';
import { runTool } from './tools-root.js';

const FOLDERS = ['bin', 'dev', 'proc', 'sys', 'tmp', 'run', 'etc', 'modules'];
/** Time stamps and speculation are nothing that the emulated processor does well. */
const PROCESSOR = 'mitigations=off nokaslr tsc=reliable no_timer_check';
/**
 * A driver on a hypervisor that Linux knows fills its whole part of the GGTT with scratch pages, one trap an entry and
 * about a millisecond a trap here: nothing that the kernel's watchdogs should take for a lock-up.
 */
const WATCHDOGS = 'watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 workqueue.watchdog_thresh=0';

export interface GuestDisk {
  readonly kernel: Kernel;
  readonly iso: string;
}

/** What goes onto a disk, from the guest rig's own cache. */
interface Parts {
  readonly qemuRoot: string;
  readonly programs: readonly GuestProgram[];
  readonly kernels: ReadonlyMap<string, Kernel>;
}

function guestParts(kernels: readonly string[], progress: Progress): Promise<Parts> {
  for (const name of kernels) checkKernelName(name);
  const cache = cacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const qemuRoot = await provisionQemuRoot(cache, progress);
    const shared = await provisionPrograms(qemuRoot, cache, progress);
    const programs = [...shared, await provisionModeProgram(qemuRoot, xenCacheFolder(), progress)];
    const found = new Map<string, Kernel>();
    for (const name of new Set(kernels)) found.set(name, await provisionKernel(qemuRoot, cache, name, progress));
    return { qemuRoot, programs, kernels: found };
  });
}

/** The guest rig's init with Xen's console in the serial port's place. */
function initScript(): Buffer {
  const text = readFileSync(programSource('init.sh'), 'utf8');
  if (!text.includes('/dev/ttyS0')) throw new XengtError('XENGT_E_CONFIG', 'init.sh does not use /dev/ttyS0');
  return Buffer.from(text.replaceAll('/dev/ttyS0', '/dev/hvc0'));
}

/** The guest rig's kernel command line with Xen's console in the serial port's place. */
function commandLine(): string {
  return kernelCommandLine({ append: `${PROCESSOR} ${WATCHDOGS}` }).replace('console=ttyS0', 'console=hvc0');
}

async function archive(parts: Parts, kernel: Kernel, init: Buffer): Promise<Buffer> {
  const modules = await moduleClosure(parts.qemuRoot, kernel, ['i915']);
  const program = (name: string, file: string): CpioEntry => {
    return { kind: 'file', path: `bin/${name}`, content: readFileSync(file), executable: true };
  };
  return cpioArchive([
    ...FOLDERS.map((path): CpioEntry => ({ kind: 'folder', path })),
    { kind: 'character', path: 'dev/console', major: 5, minor: 1 },
    program('busybox', rootBusybox(parts.qemuRoot)),
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    { kind: 'file', path: 'init', content: init, executable: true },
    ...parts.programs.map(({ name, file }) => program(name, file)),
    ...modules.map(({ name, content }): CpioEntry => ({ kind: 'file', path: `modules/${name}.ko`, content })),
    { kind: 'file', path: 'modules/order', content: Buffer.from(modules.map(({ name }) => `${name}\n`).join('')) },
  ]);
}

/** No prompt, no delay, one entry. */
function bootMenu(): string {
  const entry = `LABEL guest\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND ${commandLine()}\n`;
  return `PROMPT 0\nTIMEOUT 0\nDEFAULT guest\n${entry}`;
}

async function writeIso(tools: string, folder: string, iso: string): Promise<void> {
  copyFileSync(join(tools, 'usr/lib/ISOLINUX/isolinux.bin'), join(folder, 'isolinux/isolinux.bin'));
  copyFileSync(join(tools, 'usr/lib/syslinux/modules/bios/ldlinux.c32'), join(folder, 'isolinux/ldlinux.c32'));
  const boot = ['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4'];
  const hybrid = ['-boot-info-table', '-isohybrid-mbr', join(tools, 'usr/lib/ISOLINUX/isohdpfx.bin')];
  await runTool(tools, 'usr/bin/xorriso', ['-as', 'mkisofs', '-quiet', ...boot, ...hybrid, '-o', iso, folder]);
}

/** Disks by kernel name. */
export async function provisionGuestDisks(
  tools: string,
  kernels: readonly string[],
  progress: Progress = showProgress,
): Promise<Map<string, GuestDisk>> {
  const parts = await guestParts(kernels, progress);
  const cache = xenCacheFolder();
  const disks = new Map<string, GuestDisk>();
  await withCacheLock(cache, progress, async () => {
    for (const [name, kernel] of parts.kernels) {
      const init = initScript();
      const menu = bootMenu();
      const key = createHash('sha256').update(readFileSync(kernel.vmlinuz)).update(init).update(menu);
      for (const { file } of parts.programs) key.update(file);
      const iso = join(cache, 'disks', `${kernel.release}-${key.digest('hex').slice(0, 16)}.iso`);
      await once(iso, async (temporary) => {
        progress(`building the disk of guests with ${kernel.release}`);
        const folder = `${temporary}-files`;
        mkdirSync(join(folder, 'isolinux'), { recursive: true });
        copyFileSync(kernel.vmlinuz, join(folder, 'vmlinuz'));
        writeFileSync(join(folder, 'initrd'), await archive(parts, kernel, init));
        writeFileSync(join(folder, 'isolinux/isolinux.cfg'), menu);
        await writeIso(tools, folder, temporary);
        rmSync(folder, { recursive: true, force: true });
      });
      disks.set(name, { kernel, iso });
    }
  });
  return disks;
}
