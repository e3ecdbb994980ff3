/** Both guests again, on the same vGPUs, now with a monitor: a mode is set and console text shows on the mediator's PNG. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { type ConsoleFont, countLit, decodePicture, matchText, type Picture, parseFont } from '../console-text.js';
import type { Guest } from '../qemu.js';
import { bootAndProbe, checkKernelLog, execute, type Scene, type Seat, title } from './scene.js';

const WIDTH = 1024;
const HEIGHT = 768;
const SUBMISSIONS = 200;
/** Clearing and painting a screen through the trapped aperture is 800,000 writes. */
const PAINT_LIMIT_MS = 90_000;

async function screenOf(scene: Scene, seat: Seat): Promise<{ file: Buffer; picture: Picture }> {
  const file = await scene.mediator.client.screen(seat.vgpuId);
  if (file === null) throw new XengtError('XENGT_E_NOT_FOUND', `${seat.name} shows nothing`);
  return { file, picture: decodePicture(file) };
}

/** Polls the screen until the text is on it and nothing else, or time is up; gives back the last look. */
async function lookForText(scene: Scene, seat: Seat, font: ConsoleFont, text: string) {
  const end = Date.now() + PAINT_LIMIT_MS;
  for (;;) {
    const { file, picture } = await screenOf(scene, seat);
    const match = matchText(picture, font, text);
    const lit = countLit(picture);
    const done = match.rightCells === text.length && lit === match.glyphPixels;
    if (done || Date.now() > end) {
      writeFileSync(join(scene.logFolder, `${seat.name}-screen.png`), file);
      return { ...match, lit, done };
    }
    await delay(500);
  }
}

async function checkText(scene: Scene, seat: Seat, guest: Guest, text: string): Promise<void> {
  const { checks } = scene;
  const who = title(scene, seat);
  const before = countLit((await screenOf(scene, seat)).picture);
  const font = parseFont(await guest.mustStep('console', text, PAINT_LIMIT_MS));
  const seen = await lookForText(scene, seat, font, text);
  checks.check(
    `${who}: "${text}" can be read off the PNG, glyph by glyph, and nothing else is on the screen`,
    seen.done && seen.glyphPixels > 100,
    `${seen.rightCells} of ${text.length} cells right; lit pixels: ${before} before, ${seen.lit} after, ${seen.glyphPixels} expected`,
  );
}

async function display(scene: Scene, seat: Seat): Promise<void> {
  const { checks, mediator } = scene;
  const who = `${title(scene, seat)} with a monitor`;
  await checks.works(`${seat.name}: a monitor is plugged in`, () => mediator.client.setMonitor(seat.vgpuId, true));
  const guest = await bootAndProbe(scene, seat, 'display', true);
  if (guest === undefined) return;
  await checks.works(`${who}: shows its console`, async () => {
    const report = await guest.mustStep('display');
    checks.check(
      `${who}: the driver sees a connected connector`,
      report.some((line) => /XENGT CONNECTOR \S+ connected/.test(line)),
      report.join('\n        '),
    );
    checks.check(
      `${who}: the frame buffer is ${WIDTH}x${HEIGHT}`,
      report.some((line) => line.includes(`size=${WIDTH},${HEIGHT}`)),
      report.join('\n        '),
    );
    await checkText(scene, seat, guest, `xengt on ${seat.name}: Hello, World!`);
    await checkText(scene, seat, guest, 'second TEXT 0123456789');
    const { mode } = await mediator.client.vgpu(seat.vgpuId);
    const { picture } = await screenOf(scene, seat);
    checks.check(
      `${who}: the mode that is set is ${WIDTH}x${HEIGHT}`,
      mode?.width === WIDTH && mode.height === HEIGHT && picture.width === WIDTH && picture.height === HEIGHT,
      `mode ${JSON.stringify(mode)}, picture ${picture.width}x${picture.height}`,
    );
    await execute(scene, guest, who, SUBMISSIONS);
    await checkKernelLog(scene, guest, who);
  });
  checks.check(`${guest.name} switches itself off`, await guest.powerOff());
}

export async function displays(scene: Scene): Promise<void> {
  await Promise.all(scene.seats.map((seat) => display(scene, seat)));
}
