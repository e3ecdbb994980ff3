/**
 * The console in a real browser, and the screens in a real VNC viewer: what is seen is what the guests show, and what is clicked
 * is done. The guests' own frames come from their journals, without the daemon.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PNG } from 'pngjs';
import { packageInfo } from '../../../src/control/package-info.js';
import { cacheFolder } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import type { Progress } from '../../guest/provision/progress.js';
import { runCommand } from '../../guest/provision/run-command.js';
import { Browser, type Page } from './browser.js';
import { canvasShows } from './canvas.js';
import { Daemon, digest, freeDisplays, type Guest, ownFrames, tunnel } from './guests.js';
import { provisionViewers } from './root.js';
import { captureDisplay } from './vnc.js';

export type Check = (what: string, good: boolean, saw?: string) => void;

const { root: project } = packageInfo();
/** A replayed guest takes as long as it was recorded. */
const REPLAY_MS = 180_000;
const NARROW = 400;
/** The page draws its numbers anew by then. */
const NEXT_LOOK_MS = 1500;

const rowOf = (name: string) => `document.querySelector(${JSON.stringify(`#vgpus [data-name="${name}"]`)})`;

class Run {
  readonly #check: Check;
  readonly #page: Page;
  readonly #daemon: Daemon;
  readonly #guests: readonly Guest[];
  readonly #pictures: string;

  constructor(check: Check, page: Page, daemon: Daemon, guests: readonly Guest[], pictures: string) {
    this.#check = check;
    this.#page = page;
    this.#daemon = daemon;
    this.#guests = guests;
    this.#pictures = pictures;
  }

  #shot(name: string): Promise<void> {
    return this.#page.screenshot(join(this.#pictures, `${name}.png`));
  }

  /** Every guest's canvas is its own frame, pixel by pixel. */
  async screens(when: string): Promise<void> {
    for (const [i, { name, own }] of this.#guests.entries()) {
      const wanted = digest(own);
      const seen = await canvasShows(this.#page, `#wall li[data-vgpu="${i + 1}"]`, wanted, REPLAY_MS);
      const said = seen === wanted ? '' : `${seen}; ${await this.#daemon.describe(name)}`;
      this.#check(`the console shows the frame of ${name}${when}`, seen === wanted, said);
    }
  }

  async pictures(): Promise<void> {
    for (const { name, own } of this.#guests) {
      const png = PNG.sync.read((await this.#daemon.ask('GET', `/v1/vgpus/${name}/screen.png`)).body);
      const seen = digest({ width: png.width, height: png.height, rgba: png.data });
      this.#check(`the picture of ${name} over HTTP is the same`, seen === digest(own), seen);
    }
    const updates = await this.#page.evaluate(
      `Math.min(...[...document.querySelectorAll('#wall canvas')].map((canvas) => Number(canvas.dataset.updates)))`,
    );
    this.#check('the screens were live: each was painted more than once', Number(updates) > 1, String(updates));
  }

  /** The border and the name are outside of all that a guest paints. */
  async borders(): Promise<void> {
    const seen = await this.#page.evaluate(`[...document.querySelectorAll('#wall li')].every((item) => {
      const [frame, canvas, plate] = ['.frame', 'canvas', '.plate'].map((part) => item.querySelector(part));
      const [outer, inner] = [frame, canvas].map((part) => part.getBoundingClientRect());
      const gaps = [inner.left - outer.left, outer.right - inner.right, outer.bottom - inner.bottom];
      const named = plate.getBoundingClientRect().bottom <= inner.top && /linux-|vm7/.test(plate.textContent);
      return named && gaps.every((gap) => gap >= 5);
    })`);
    this.#check('each screen has a border and a name that the guest cannot reach', seen === true, String(seen));
    const colours = await this.#page.evaluate(
      `new Set([...document.querySelectorAll('#wall .frame')].map((frame) => getComputedStyle(frame).borderColor)).size`,
    );
    this.#check('each in a colour of its own', colours === this.#guests.length, String(colours));
  }

  /** From the top of the page with Tab alone to a screen; Enter opens it, Escape closes it. */
  async keyboard(): Promise<void> {
    await this.#page.evaluate(`document.activeElement.blur(); scrollTo(0, 0)`);
    let reached = false;
    for (let presses = 0; presses < 12 && !reached; presses++) {
      await this.#page.press('Tab');
      reached = (await this.#page.evaluate(`document.activeElement.matches('#wall button')`)) === true;
    }
    this.#check('a screen is reached with the Tab key', reached);
    await this.#page.press('Enter');
    this.#check('Enter opens it at full size', await this.#page.until(`document.getElementById('full').open`));
    const first = this.#guests[0];
    if (first === undefined) return;
    const seen = await canvasShows(this.#page, '#full', digest(first.own), 10_000);
    this.#check('its pixels are right there too', seen === digest(first.own), seen);
    const named = await this.#page.evaluate(`document.querySelector('#full .plate').textContent`);
    this.#check('and its name stands over it', String(named).includes(first.name), String(named));
    await this.#shot('full');
    await this.#page.press('Escape');
    this.#check('Escape closes it', await this.#page.until(`!document.getElementById('full').open`));
    const back = await this.#page.evaluate(`document.activeElement.matches('#wall li[data-vgpu="1"] button')`);
    this.#check('and the focus is where it was', back === true);
  }

  async charts(): Promise<void> {
    const chart = await this.#page.until(`document.querySelector('#chart canvas')?.width > 0`);
    this.#check('GPU time is drawn', chart);
    const words = String(await this.#page.evaluate(`document.getElementById('chart').getAttribute('aria-label')`));
    this.#check(
      'and said in words',
      this.#guests.every(({ name }) => words.includes(name)),
      words,
    );
    const lanes = String(
      await this.#page.evaluate(`[...document.querySelectorAll('#lanes b')].map((name) => name.textContent).join()`),
    );
    this.#check('every engine has a timeline', lanes === 'RCS,BCS,VCS,VECS', lanes);
  }

  /** @returns the runs that the page saw while guests worked */
  async worked(): Promise<void> {
    const seen = await this.#page.until(
      `[...document.querySelectorAll('#lanes canvas')].some((lane) => /linux-|vm7/.test(lane.getAttribute('aria-label')))`,
    );
    this.#check('the timelines say which guest ran', seen);
  }

  async #dialog(name: string, socket: string): Promise<void> {
    await this.#page.evaluate(`document.getElementById('create').focus()`);
    await this.#page.press('Enter');
    await this.#page.until(`document.querySelectorAll('#make [name=type] option').length > 0`);
    await this.#page.evaluate(`document.querySelector('#make [name=name]').select()`);
    await this.#page.type(name);
    await this.#page.evaluate(`document.querySelector('#make [name=socket]').select()`);
    await this.#page.type(socket);
    await this.#page.evaluate(`document.querySelector('#make [name=type]').value = 'V5_8'`);
    await this.#page.press('Enter');
  }

  async operate(socket: string): Promise<void> {
    const page = this.#page;
    await this.#dialog('desk', socket);
    this.#check('a vGPU that is created in the console is in its table', await page.until(`${rowOf('desk')} !== null`));
    const made = (await this.#daemon.vgpus()).find(({ name }) => name === 'desk');
    this.#check('and the daemon has it', made !== undefined);
    await this.#dialog('desk', `${socket}2`);
    const refused = await page.until(`/desk/.test(document.querySelector('#make .wrong').textContent)`);
    const open = await page.evaluate(`document.getElementById('make').open`);
    this.#check('a second one of that name is refused, in the dialog and by name', refused && open === true);
    await page.press('Escape');

    await page.evaluate(`${rowOf('desk')}.querySelector('input').select()`);
    await page.type('77');
    await page.press('Enter');
    let weight = 0;
    for (let tries = 0; weight !== 77 && tries < 50; tries++, await delay(100)) {
      weight = (await this.#daemon.vgpus()).find(({ name }) => name === 'desk')?.weight ?? 0;
    }
    this.#check('a weight that is typed there is in force', weight === 77, String(weight));

    await page.evaluate(`${rowOf('desk')}.querySelector('button').focus()`);
    await page.press('Enter');
    await page.until(`document.getElementById('sure').open`);
    await page.press('Escape');
    await delay(500);
    this.#check('who is not sure keeps it', (await this.#daemon.vgpus()).length === this.#guests.length + 1);
    await page.evaluate(`${rowOf('desk')}.querySelector('button').focus()`);
    await page.press('Enter');
    await page.until(`document.getElementById('sure').open`);
    await page.evaluate(`document.querySelector('#sure [value=remove]').focus()`);
    await page.press('Enter');
    this.#check('a vGPU that is removed leaves the table', await page.until(`${rowOf('desk')} === null`));
    this.#check('and the daemon', (await this.#daemon.vgpus()).length === this.#guests.length);
    const events = String(await page.evaluate(`document.getElementById('events').textContent`));
    const told = ['desk was created', 'desk weighs 77', 'desk was removed'].every((text) => events.includes(text));
    this.#check('the events tell of all three', told, events);
  }

  async looks(): Promise<void> {
    const page = this.#page;
    const ground = () => page.evaluate(`getComputedStyle(document.body).backgroundColor`);
    await page.scheme('light');
    const light = await ground();
    await page.evaluate(`scrollTo(0, 0)`);
    await delay(NEXT_LOOK_MS);
    await this.#shot('light');
    await page.scheme('dark');
    const dark = await ground();
    await delay(NEXT_LOOK_MS);
    this.#check('the page is light or dark as the operator likes it', light !== dark, `${light} and ${dark}`);
    await this.#shot('dark');
    await page.resize(NARROW, 800);
    await delay(NEXT_LOOK_MS);
    const wide = Number(await page.evaluate(`document.documentElement.scrollWidth`));
    this.#check(`it fits on a screen of ${NARROW} pixels`, wide <= NARROW, String(wide));
    await this.#shot('narrow');
    await page.resize(1280, 1000);
    await page.scheme('light');
  }

  async reconnect(): Promise<void> {
    const page = this.#page;
    this.#check('the daemon ends as it should', (await this.#daemon.stop()) === 0);
    const lost = await page.until(`document.getElementById('link').dataset.state === 'lost'`);
    this.#check('the page says that the daemon does not answer', lost);
    this.#daemon.token = randomBytes(18).toString('base64url');
    await this.#daemon.start();
    const live = await page.until(`document.getElementById('link').dataset.state === 'live'`);
    this.#check('it is live again when the daemon is', live);
    await this.worked();
    await this.screens(' again');
  }
}

async function viewers(
  check: Check,
  root: string,
  port: number,
  guests: readonly Guest[],
  daemon: Daemon,
): Promise<void> {
  for (const [i, { name, own }] of guests.entries()) {
    const seen = await captureDisplay(root, port + i + 1);
    const text = typeof seen === 'string' ? seen : digest(seen);
    check(`a VNC viewer sees the same frame of ${name} as the console`, text === digest(own), text);
  }
  const dark = await captureDisplay(root, port);
  const black = typeof dark !== 'string' && dark.rgba.every((byte, at) => at % 4 === 3 || byte === 0);
  check('the display of the foreground is black while there is none', black, typeof dark === 'string' ? dark : '');
  const put = await daemon.ask('PUT', '/v1/tree/control/foreground_vm', { value: '7' });
  check('a VM is brought to the foreground', put.status === 204, put.body.toString());
  // The displays follow twice a second.
  await delay(2000);
  const front = await captureDisplay(root, port);
  const own = guests.find(({ name }) => name === 'vm7')?.own;
  const saw = typeof front === 'string' ? front : digest(front);
  check('its screen is on the display of the foreground', own !== undefined && saw === digest(own), saw);
}

/** An address that changes nothing says so where a change was asked for, and nothing is done. */
async function readOnly(check: Check, browser: Browser, daemon: Daemon): Promise<void> {
  const page = await browser.open(`http://${daemon.metrics}/`, 1280, 1000);
  await page.until(`${rowOf('linux-6.1')} !== null`);
  await page.evaluate(`${rowOf('linux-6.1')}.querySelector('button').click()`);
  await page.evaluate(`document.querySelector('#sure [value=remove]').click()`);
  const said = await page.until(`/read-only/.test(document.querySelector('#sure .wrong').textContent)`);
  check('where nothing may be changed, the console says so', said);
  const there = (await daemon.vgpus()).some(({ name }) => name === 'linux-6.1');
  check('and nothing is changed', there);
}

/** With the token, the metrics address shows and does everything; without it, nothing. */
async function withToken(check: Check, browser: Browser, daemon: Daemon): Promise<void> {
  const { token, metrics } = daemon;
  const before = await browser.open(`http://${metrics}/`, 1280, 1000);
  await delay(NEXT_LOOK_MS);
  const text = String(await before.evaluate('document.body.textContent'));
  check('without its token, the address shows nothing', !text.includes('linux-6.1') && text.includes('token'), text);
  const page = await browser.open(`http://${metrics}/?token=${token}`, 1280, 1000);
  check(
    'with it the console is live there',
    await page.until(`document.getElementById('link')?.dataset.state === 'live'`),
  );
  await page.until(`${rowOf('linux-6.12')} !== null`);
  await page.evaluate(`${rowOf('linux-6.12')}.querySelector('button').click()`);
  await page.evaluate(`document.querySelector('#sure [value=remove]').click()`);
  check('and removes a vGPU', await page.until(`${rowOf('linux-6.12')} === null`));
  check('which is gone', !(await daemon.vgpus()).some(({ name }) => name === 'linux-6.12'));
}

/** All of it. @param progress is told of long steps */
export async function consoleAndScreens(check: Check, progress: Progress): Promise<void> {
  const cache = cacheFolder();
  const root = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionViewers(cache, progress);
  });
  // What is tried is what the sources say, not what somebody built some time ago.
  await runCommand('npm', ['run', 'build:console'], { cwd: project });
  const pictures = join(project, 'run', 'console');
  mkdirSync(pictures, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'xengt-console-'));
  const port = await freeDisplays();
  const guests = ownFrames();
  const daemon = new Daemon(folder, port);
  const browser = new Browser(root);
  const way = await tunnel(daemon.api);
  try {
    await daemon.start();
    const page = await browser.open(`http://${way.address}/`, 1280, 1000);
    const run = new Run(check, page, daemon, guests, pictures);
    progress('three guests are replayed, as slowly as they were recorded');
    await run.worked();
    await run.screens('');
    await run.pictures();
    await run.borders();
    await run.charts();
    await run.keyboard();
    await run.operate(join(folder, 'desk.sock'));
    await run.looks();
    progress('a VNC viewer looks at each display');
    await viewers(check, root, port, guests, daemon);
    await readOnly(check, browser, daemon);
    await run.reconnect();
    await withToken(check, browser, daemon);
    check('nothing went wrong in the page', page.faults.length === 0, page.faults.join('; '));
    progress(`screenshots are in ${pictures}`);
  } finally {
    await browser.close();
    way.server.close();
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
