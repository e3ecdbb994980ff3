import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { type FeedPace, Screens } from '../../../src/control/screens/index.js';
import type { Screen } from '../../../src/mediator/api.js';
import { FakeMediator, picture } from '../fake-mediator.js';

const PACE: FeedPace = { shortestMs: 10, longestMs: 500, pause: 3 };

/** A mediator that takes a while for a picture, and says how long it spent on them. */
class Slow extends FakeMediator {
  takesMs = 0;
  spentMs = 0;
  atOnce = 0;
  most = 0;
  moving = true;
  #drawn = 0;

  override async screen(id: number): Promise<Screen | null> {
    this.most = Math.max(this.most, ++this.atOnce);
    const began = performance.now();
    await sleep(this.takesMs);
    this.atOnce--;
    this.spentMs += performance.now() - began;
    if (this.moving) this.#drawn++;
    return this.fault === null ? picture(64, 64, this.#drawn) : super.screen(id);
  }
}

let screens: Screens | undefined;
afterEach(() => screens?.close());

const viewer = () => ({
  seen: 0,
  changed() {
    this.seen++;
  },
});
const complaints: string[] = [];
const log = { info: () => undefined, error: (line: string) => void complaints.push(line) };

test('however many screens are looked at, a bounded part of the mediator goes into it', async () => {
  const mediator = new Slow();
  mediator.takesMs = 20;
  screens = new Screens(mediator, log, PACE);
  for (let id = 1; id <= 8; id++) screens.join(id, viewer());
  const began = performance.now();
  await sleep(1500);
  expect(mediator.most).toBe(1);
  expect(mediator.spentMs / (performance.now() - began)).toBeLessThan(0.35);
  expect(mediator.spentMs).toBeGreaterThan(0);
});

test('two who look at one screen cost no more than one, and both see it', async () => {
  const mediator = new Slow();
  mediator.moving = false;
  screens = new Screens(mediator, log, PACE);
  const [one, other] = [viewer(), viewer()];
  expect(screens.join(1, one)).toBe(screens.join(1, other));
  await expect.poll(() => one.seen, { timeout: 10_000 }).toBe(1);
  await sleep(100);
  expect([one.seen, other.seen]).toEqual([1, 1]);
  screens.leave(1, one);
  expect(screens.watched).toBe(1);
  screens.leave(1, other);
  expect(screens.watched).toBe(0);
});

test('a screen on which nothing moves is looked at less often, until something does', async () => {
  const mediator = new Slow();
  mediator.moving = false;
  let looks = 0;
  const { screen } = mediator;
  mediator.screen = (id) => {
    looks++;
    return screen.call(mediator, id);
  };
  screens = new Screens(mediator, log, PACE);
  const one = viewer();
  screens.join(1, one);
  await sleep(2000);
  const before = looks;
  await sleep(1500);
  expect(looks - before).toBeLessThanOrEqual(4);
  mediator.moving = true;
  const seen = one.seen;
  await sleep(1500);
  expect(one.seen - seen).toBeGreaterThan(8);
});

test('what is no vGPU gone but a fault is complained of, and the screen is dark meanwhile', async () => {
  const mediator = new Slow();
  screens = new Screens(mediator, log, PACE);
  const frame = screens.join(1, viewer());
  await expect.poll(() => frame.width, { timeout: 10_000 }).toBe(64);
  const faults = setInterval(() => {
    mediator.fault = new XengtError('XENGT_E_IO', 'it burns');
  }, 1);
  await expect.poll(() => frame.width, { timeout: 10_000 }).toBe(0);
  clearInterval(faults);
  expect(complaints.join()).toMatch(/screen of vGPU 1 cannot be read: it burns/);
});
