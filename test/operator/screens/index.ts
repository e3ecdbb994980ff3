/**
 * The screens of three live guests: each an unmodified i915 with a monitor and a picture of its own. What the guest has in its
 * own frame buffer is what the console shows in a real browser, what a VNC viewer sees, and what HTTP gives as a picture.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { XengtError } from '../../../src/base/index.js';
import type { Screen } from '../../../src/mediator/api.js';
import { complaints } from '../../guest/kernel-log.js';
import { Mediator } from '../../guest/mediator.js';
import { cacheFolder, newLogFolder, projectRoot } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import { type Progress, type Provisioned, provision } from '../../guest/provision/index.js';
import { runCommand } from '../../guest/provision/run-command.js';
import { Guest } from '../../guest/qemu.js';
import { newRunFolder } from '../../guest/run-folder.js';
import { Browser, type Page } from '../console/browser.js';
import { canvasShows } from '../console/canvas.js';
import { digest, freeDisplays, tunnel } from '../console/guests.js';
import { provisionViewers } from '../console/root.js';
import { captureDisplay } from '../console/vnc.js';
import { consoleOf, pictureOf } from './frame.js';

type Check = (what: string, good: boolean, saw?: string) => void;

const KERNEL = 'trixie';
const MEMORY_MIB = 512;
/** Painting a text console through the trapped aperture, and reading it back, are hundreds of thousands of accesses. */
const CONSOLE_MS = 240_000;
const SEEN_MS = 60_000;

interface Seat {
  readonly name: string;
  readonly mode: string;
  readonly type: 'DP' | 'HDMI';
  /** What it shows: pictures of a format from a seed on, or its text console. */
  readonly shows: { readonly format: 'XR24' | 'RG16'; readonly seed: number } | 'console';
}

const SEATS: readonly Seat[] = [
  { name: 'painter', mode: '1024x768@60', type: 'DP', shows: { format: 'XR24', seed: 3 } },
  { name: 'poster', mode: '1280x720@60', type: 'HDMI', shows: { format: 'RG16', seed: 8 } },
  { name: 'writer', mode: '640x480@60', type: 'DP', shows: 'console' },
];

class Live {
  readonly seat: Seat;
  readonly vgpuId: number;
  readonly guest: Guest;
  readonly #share: string;

  private constructor(seat: Seat, vgpuId: number, guest: Guest, share: string) {
    this.seat = seat;
    this.vgpuId = vgpuId;
    this.guest = guest;
    this.#share = share;
  }

  static async start(seat: Seat, mediator: Mediator, rig: Provisioned, folders: Folders): Promise<Live> {
    const { name, mode, type, shows } = seat;
    const image = rig.images.get(KERNEL);
    if (image === undefined) throw new XengtError('XENGT_E_CONFIG', `${KERNEL} was not provisioned`);
    const socket = join(folders.run, `${name}.sock`);
    const ports = [{ port: 'D' as const, type, mode }];
    const { id } = await mediator.client.createVgpu({ name, type: 'V5_8', monitor: true, ports, socket });
    const share = join(folders.logs, name);
    mkdirSync(share);
    const { qemuRoot } = rig;
    const console = shows === 'console';
    const options = { name, qemuRoot, image, socket, memoryMiB: MEMORY_MIB, console, share };
    const live = new Live(seat, id, new Guest({ ...options, logFolder: folders.logs }), share);
    try {
      await live.guest.booted();
      await live.guest.mustStep('probe');
      await live.guest.mustStep('share');
    } catch (error) {
      live.guest.kill();
      throw error;
    }
    return live;
  }

  /** Has the guest show its first picture or its next one. @returns what it has in its frame buffer then */
  async show(next: boolean): Promise<Screen> {
    const { name, shows } = this.seat;
    if (shows !== 'console') {
      const lines = next
        ? await this.guest.mustStep('next-picture')
        : await this.guest.mustStep('picture', `${shows.format} ${shows.seed} /share/picture`);
      return pictureOf(lines, this.#share);
    }
    await this.guest.mustStep('console', `${name} ${next ? 'again: 0123456789' : 'says hello'}`, CONSOLE_MS);
    const file = next ? 'console.1' : 'console.0';
    const look =
      'cd /sys/class/graphics/fb0; echo size=$(cat virtual_size) stride=$(cat stride) bits=$(cat bits_per_pixel);' +
      `cat /dev/fb0 > /share/${file}`;
    return consoleOf(await this.guest.mustStep('sh', look, CONSOLE_MS), join(this.#share, file));
  }
}

interface Folders {
  readonly run: string;
  readonly logs: string;
}

/** Colours of a frame, so that a dark or empty one passes for nothing. */
function colours({ rgba }: Screen): number {
  const view = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  return new Set(view).size;
}

interface Looks {
  readonly check: Check;
  readonly page: Page;
  readonly mediator: Mediator;
  readonly viewers: string;
  /** Port of the foreground's display. */
  readonly vnc: number;
}

/** One guest's frame by all ways to look at it. */
async function compared(live: Live, own: Screen, which: string, looks: Looks): Promise<void> {
  const { check, page, mediator, viewers, vnc } = looks;
  const { name, mode } = live.seat;
  const wanted = digest(own);
  check(
    `${name} shows its ${which} frame in ${mode}`,
    mode.startsWith(`${own.width}x${own.height}@`) && colours(own) > 1,
    `${own.width}x${own.height}, ${colours(own)} colours`,
  );
  const canvas = await canvasShows(page, `#wall li[data-vgpu="${live.vgpuId}"]`, wanted, SEEN_MS);
  check(`the console shows the ${which} frame of ${name}, pixel by pixel`, canvas === wanted, canvas);
  const captured = await captureDisplay(viewers, vnc + live.vgpuId);
  const viewed = typeof captured === 'string' ? captured : digest(captured);
  check(`a VNC viewer's screenshot is the ${which} frame of ${name}`, viewed === wanted, viewed);
  const file = await mediator.client.screen(live.vgpuId);
  const png = file === null ? null : PNG.sync.read(file);
  const fetched = png === null ? 'nothing' : digest({ width: png.width, height: png.height, rgba: png.data });
  check(`so is the picture of ${name} over HTTP`, fetched === wanted, fetched);
}

async function look(lives: readonly Live[], looks: Looks, pictures: string): Promise<void> {
  for (const [next, which] of [
    [false, 'first'],
    [true, 'next'],
  ] as const) {
    const frames = await Promise.all(lives.map((live) => live.show(next)));
    looks.check(
      `the ${which} frames of three guests differ`,
      new Set(frames.map(digest)).size === SEATS.length,
      frames.map(digest).join(),
    );
    for (const [i, live] of lives.entries()) {
      const own = frames[i];
      if (own !== undefined) await compared(live, own, which, looks);
    }
    await looks.page.screenshot(join(pictures, `live-${which}.png`));
  }
}

/** All of it. @param progress is told of long steps */
export async function screens(check: Check, progress: Progress): Promise<void> {
  const rig = await provision([KERNEL], progress, true);
  const cache = cacheFolder();
  const viewers = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionViewers(cache, progress);
  });
  await runCommand('npm', ['run', 'build:console'], { cwd: projectRoot() });
  const pictures = join(projectRoot(), 'run', 'console');
  mkdirSync(pictures, { recursive: true });
  const folders = { run: newRunFolder(), logs: newLogFolder() };
  const vnc = await freeDisplays();
  const mediator = await Mediator.start(folders.run, folders.logs, ['--xen', 'off', '--vnc', `127.0.0.1:${vnc}`]);
  const browser = new Browser(viewers);
  const way = await tunnel(join(folders.run, 'api.sock'));
  const lives: Live[] = [];
  try {
    progress('booting three guests');
    const started = await Promise.allSettled(SEATS.map((seat) => Live.start(seat, mediator, rig, folders)));
    for (const one of started) if (one.status === 'fulfilled') lives.push(one.value);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    check('three i915 guests boot, each with a monitor of its own', lives.length === SEATS.length);
    const page = await browser.open(`http://${way.address}/`, 1280, 1000);
    await look(lives, { check, page, mediator, viewers, vnc }, pictures);
    check('nothing went wrong in the page', page.faults.length === 0, page.faults.join('; '));
    for (const { guest } of lives) {
      const wrong = complaints(await guest.dmesg());
      check(
        `${guest.name}: no WARN, BUG or *ERROR* in the kernel log`,
        wrong.length === 0,
        wrong.slice(0, 5).join('; '),
      );
    }
    const off = await Promise.all(lives.map(({ guest }) => guest.powerOff()));
    check('the guests switch themselves off', off.every(Boolean));
    const { violations } = await mediator.client.isolation();
    check('isolation violations: 0', violations === 0, `${violations}`);
  } finally {
    for (const { guest } of lives) guest.kill();
    await browser.close();
    way.server.close();
    await mediator.stop();
  }
}
