// The status page. Asks for the numbers once a second and shows what changed; guests' names reach the page only as text,
// never as markup.

const PERIOD_MS = 1000;
/** Bars show the share of engine time over this many looks. */
const WINDOW = 5;
const COLOURS = 7;

const $ = (id) => document.getElementById(id);

/** Looks of the last seconds, oldest first. */
let looks = [];
/** What is on the page, by key, so that elements stay and only their contents change. */
const engineRows = new Map();
const vgpuRows = new Map();
const screens = new Map();
let columns = '';

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const colourOf = (id) => `var(--v${id % COLOURS})`;
const percent = (share) => `${(100 * Math.max(0, Math.min(1, share))).toFixed(1)}%`;
const count = (value) => value.toLocaleString('en');

function duration(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** Rows follow the list: new ones are made, those that left are removed. */
function follow(rows, keys, parent, make) {
  for (const [key, row] of rows) {
    if (keys.includes(key)) continue;
    row.root.remove();
    rows.delete(key);
  }
  for (const key of keys) {
    if (rows.has(key)) continue;
    const row = make(key);
    rows.set(key, row);
    parent.append(row.root);
  }
}

function showEngines(now, then) {
  follow(engineRows, now.engines.map((engine) => engine.name), $('engines'), (name) => {
    const root = element('div', 'engine');
    const bar = element('div', 'bar');
    const share = element('span', 'share');
    const busy = element('span');
    const switching = element('span', 'switching');
    share.append(busy, switching);
    root.append(element('b', '', name), bar, share);
    return { root, bar, busy, switching, parts: new Map() };
  });
  for (const engine of now.engines) {
    const row = engineRows.get(engine.name);
    const old = then.engines.find((other) => other.name === engine.name);
    const total = engine.totalSeconds - (old?.totalSeconds ?? 0);
    const part = (value, before) => (total > 0 ? Math.max(0, value - (before ?? 0)) / total : 0);
    const shares = now.vgpus.map((vgpu) => {
      const before = then.vgpus.find((other) => other.id === vgpu.id);
      return [vgpu.id, part(vgpu.gpuSeconds[engine.name] ?? 0, before?.gpuSeconds[engine.name])];
    });
    const switching = part(engine.switchingSeconds, old?.switchingSeconds);
    follow(row.parts, [...shares.map(([id]) => id), 'switching'], row.bar, (key) => {
      const root = element('i');
      root.style.background = key === 'switching' ? 'var(--switching)' : colourOf(key);
      return { root };
    });
    for (const [key, share] of [...shares, ['switching', switching]]) {
      row.parts.get(key).root.style.width = `${(100 * Math.min(1, share)).toFixed(2)}%`;
    }
    say(row.busy, total > 0 ? percent(part(engine.busySeconds, old?.busySeconds)) : '');
    say(row.switching, total > 0 ? `, switching ${percent(switching)}` : '');
    row.root.title = `busy ${engine.busySeconds.toFixed(3)} s, idle ${engine.idleSeconds.toFixed(3)} s, switching ${engine.switchingSeconds.toFixed(3)} s of ${engine.totalSeconds.toFixed(3)} s`;
  }
  const legend = [...now.vgpus.map((vgpu) => [colourOf(vgpu.id), vgpu.name]), ['var(--switching)', 'switching']];
  const key = JSON.stringify(legend);
  if ($('legend').dataset.key === key) return;
  $('legend').dataset.key = key;
  $('legend').replaceChildren(
    ...legend.map(([colour, name]) => {
      const entry = element('span');
      const dot = element('span', 'dot');
      dot.style.background = colour;
      entry.append(dot, name);
      return entry;
    }),
  );
}

function showVgpus(now, then, infos) {
  const engines = now.engines.map((engine) => engine.name);
  if (columns !== engines.join()) {
    columns = engines.join();
    for (const row of vgpuRows.values()) row.root.remove();
    vgpuRows.clear();
    const heads = [['vGPU', 'text'], ['state', 'text'], ...engines.map((name) => [name, '']), ['traps/s', 'narrow-off'], ['frames', 'narrow-off']];
    $('columns').replaceChildren(
      ...heads.map(([text, className]) => {
        const head = element('th', className, text);
        head.scope = 'col';
        return head;
      }),
    );
  }
  $('none').hidden = now.vgpus.length > 0;
  follow(vgpuRows, now.vgpus.map((vgpu) => vgpu.id), $('vgpus'), (id) => {
    const root = element('tr');
    const name = element('td', 'text');
    const dot = element('span', 'dot');
    dot.style.background = colourOf(id);
    const title = element('span');
    const type = element('small');
    name.append(dot, title, type);
    const state = element('td', 'text');
    const cells = engines.map(() => {
      const cell = element('td');
      const seconds = element('span');
      const share = element('small');
      cell.append(seconds, share);
      return { cell, seconds, share };
    });
    const traps = element('td', 'narrow-off');
    const frames = element('td', 'narrow-off');
    root.append(name, state, ...cells.map(({ cell }) => cell), traps, frames);
    return { root, title, type, state, cells, traps, frames };
  });
  const seconds = now.uptimeSeconds - then.uptimeSeconds;
  const trapsOf = (vgpu) => Object.values(vgpu?.traps ?? {}).reduce((sum, { read, write }) => sum + read + write, 0);
  for (const vgpu of now.vgpus) {
    const row = vgpuRows.get(vgpu.id);
    const old = then.vgpus.find((other) => other.id === vgpu.id);
    const info = infos.find((other) => other.id === vgpu.id);
    say(row.title, vgpu.vm === vgpu.name ? vgpu.name : `${vgpu.name} (${vgpu.vm})`);
    say(row.type, info ? `${info.type}, weight ${info.weight}` : '');
    say(row.state, info?.reason ? `${vgpu.state}: ${info.reason}` : vgpu.state);
    row.state.className = `text state-${vgpu.state}`;
    engines.forEach((name, at) => {
      const used = vgpu.gpuSeconds[name] ?? 0;
      say(row.cells[at].seconds, `${used.toFixed(3)} s`);
      say(row.cells[at].share, seconds > 0 ? percent((used - (old?.gpuSeconds[name] ?? 0)) / seconds) : '');
    });
    say(row.traps, seconds > 0 ? count(Math.max(0, Math.round((trapsOf(vgpu) - trapsOf(old)) / seconds))) : '');
    say(row.frames, count(vgpu.frames));
  }
}

function showScreens(infos) {
  follow(screens, infos.map((info) => info.id), $('screens'), (id) => {
    const root = element('figure');
    const glass = element('div', 'glass');
    glass.style.borderColor = colourOf(id);
    const image = element('img');
    image.hidden = true;
    const blank = element('span', '', 'no picture');
    glass.append(image, blank);
    const caption = element('figcaption');
    const name = element('b');
    const mode = element('span');
    caption.append(name, mode);
    root.append(glass, caption);
    return { root, glass, image, blank, name, mode, etag: '', url: '', busy: false };
  });
  for (const info of infos) {
    const screen = screens.get(info.id);
    say(screen.name, info.name);
    say(screen.mode, info.mode ? `${info.mode.width} × ${info.mode.height}, ${Math.round(info.mode.refreshHz)} Hz` : 'nothing shown');
    if (info.mode) {
      screen.glass.style.aspectRatio = `${info.mode.width} / ${info.mode.height}`;
      screen.image.alt = `Screen of ${info.name}`;
      refresh(info.id, screen);
    } else {
      picture(screen, '');
    }
  }
}

/** A picture that did not change is not sent again: the server answers 304 to the tag that we have. */
async function refresh(id, screen) {
  if (screen.busy) return;
  screen.busy = true;
  try {
    const headers = screen.etag === '' ? {} : { 'if-none-match': screen.etag };
    const answer = await fetch(`v1/vgpus/${id}/screen.png`, { headers, cache: 'no-store' });
    if (answer.status === 304) return;
    if (!answer.ok) return picture(screen, '');
    screen.etag = answer.headers.get('etag') ?? '';
    picture(screen, URL.createObjectURL(await answer.blob()));
  } catch {
    // The next look at the numbers says that the daemon is gone.
  } finally {
    screen.busy = false;
  }
}

function picture(screen, url) {
  if (screen.url !== '') URL.revokeObjectURL(screen.url);
  if (url === '') screen.etag = '';
  screen.url = url;
  screen.image.hidden = url === '';
  screen.blank.hidden = url !== '';
  if (url === '') screen.image.removeAttribute('src');
  else screen.image.src = url;
}

async function get(path) {
  const answer = await fetch(path, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function look() {
  const [now, { vgpus }] = await Promise.all([get('v1/stats'), get('v1/vgpus')]);
  // A daemon that started again counts from zero: what was seen before says nothing about it.
  if (looks.length > 0 && now.uptimeSeconds < looks.at(-1).uptimeSeconds) looks = [];
  looks = [...looks, now].slice(-WINDOW - 1);
  const then = looks[0];
  say($('device'), `${now.device}, ${now.platform}, up ${duration(now.uptimeSeconds)}`);
  showEngines(now, then);
  showVgpus(now, then, vgpus);
  showScreens(vgpus);
  const clean = now.isolationViolations === 0 && now.unansweredTraps === 0;
  say($('isolation'), `isolation violations ${now.isolationViolations}, unanswered traps ${now.unansweredTraps}`);
  $('isolation').className = clean ? '' : 'bad';
}

async function run() {
  for (;;) {
    if (!document.hidden) {
      try {
        await look();
        $('link').dataset.state = 'live';
        say($('link'), 'live');
      } catch {
        $('link').dataset.state = 'lost';
        say($('link'), 'daemon does not answer, trying again');
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

run();
