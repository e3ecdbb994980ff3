/** Elements. Whatever comes from a guest or an operator reaches the page as text, never as markup. */

/** @throws Error where the page has no such element: a mistake in index.html */
export function byId<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} "${id}".`);
  return found;
}

export function within<T extends Element>(root: ParentNode, selector: string, kind: abstract new () => T): T {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`There is no ${kind.name} "${selector}".`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

/** Changes a text only where it differs, so that nobody who selects or listens to it is disturbed. */
export function say(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export interface Row {
  readonly root: HTMLElement;
}

/** Rows follow `keys`: new ones are made, those that left are removed, all in the order of the keys. */
export function follow<R extends Row>(
  rows: Map<number, R>,
  keys: readonly number[],
  parent: HTMLElement,
  build: (key: number) => R,
): void {
  for (const [key, row] of rows) {
    if (keys.includes(key)) continue;
    row.root.remove();
    rows.delete(key);
  }
  for (const key of keys) {
    if (rows.has(key)) continue;
    const row = build(key);
    rows.set(key, row);
    parent.append(row.root);
  }
}

const COLOURS = 7;
/** Custom property that holds a vGPU's colour. */
export const colourName = (id: number): string => `--v${id % COLOURS}`;
export const colourOf = (id: number): string => `var(${colourName(id)})`;

/** The colour as it is now, for a canvas; it changes with the scheme. */
export function colourNow(id: number): string {
  return resolved(colourName(id));
}

export function resolved(property: string): string {
  const probe = make('i');
  probe.style.color = `var(${property})`;
  probe.hidden = true;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export const percent = (share: number): string => `${(100 * Math.max(0, Math.min(1, share))).toFixed(1)} %`;

export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
