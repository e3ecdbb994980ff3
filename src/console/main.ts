/** The console: a look at the daemon each second, shown in every part of the page; the screens come by a way of their own. */
import { api } from './api.js';
import { Chart, showDevice } from './chart.js';
import { byId, duration, say } from './dom.js';
import { Events } from './events.js';
import { Lanes } from './lanes.js';
import { Vgpus } from './vgpus.js';
import { Wall } from './wall.js';

const PERIOD_MS = 1000;

const state = byId('link', HTMLElement);
const events = new Events();
const chart = new Chart();
const lanes = new Lanes();
let numbers = false;
let pictures = false;
let wake: () => void = () => undefined;

function showLink(): void {
  const live = numbers && pictures;
  const before = state.dataset.state;
  const now = live ? 'live' : before === 'wait' ? 'wait' : 'lost';
  if (now === before) return;
  state.dataset.state = now;
  say(state, live ? 'live' : 'The daemon does not answer, trying again');
  if (before === 'live') events.note('The daemon does not answer');
  if (before === 'lost') events.note('The daemon answers again');
}

const wall = new Wall((open) => {
  pictures = open;
  showLink();
});
const vgpus = new Vgpus(() => wake());

async function look(): Promise<void> {
  const [stats, infos] = await Promise.all([api.stats(), api.vgpus()]);
  showDevice(stats, duration(stats.uptimeSeconds));
  chart.show(stats);
  vgpus.show(infos);
  wall.show(infos);
  events.show(infos, stats);
  await lanes.look(infos);
}

for (;;) {
  if (!document.hidden) {
    try {
      await look();
      numbers = true;
    } catch {
      // Said on the page, and tried again.
      numbers = false;
    }
    showLink();
  }
  await new Promise<void>((resolve) => {
    wake = resolve;
    setTimeout(resolve, PERIOD_MS);
  });
}
