/**
 * What a guest's configuration asks for: `type=V5_4,name=desk,weight=3`, the keys of a vGPU as the API has them, separated by
 * commas. The name is the domain's where none is given.
 */
import { XengtError } from '../../base/index.js';
import type { VgpuSpec } from '../../mediator/api.js';
import { check } from '../checked.js';
import { vgpuSpec } from '../vgpu-spec.js';

const KEYS = [
  'type',
  'name',
  'vm',
  'weight',
  'cap',
  'priority',
  'lowMiB',
  'highMiB',
  'fences',
  'monitor',
  'scanProcesses',
] as const satisfies readonly (keyof VgpuSpec)[];
type Key = (typeof KEYS)[number];
const NUMBERS: ReadonlySet<Key> = new Set(['weight', 'cap', 'priority', 'lowMiB', 'highMiB', 'fences']);

const REQUEST_MAX = 512;

const isKey = (text: string): text is Key => KEYS.some((key) => key === text);

const refuse = (message: string): XengtError => new XengtError('XENGT_E_CONFIG', message);

/** @throws XengtError XENGT_E_CONFIG that names the key and the rule */
export function parseRequest(text: string, domid: number, defaultName: string): VgpuSpec {
  if (text.length > REQUEST_MAX) throw refuse(`the request has ${text.length} characters; at most ${REQUEST_MAX} fit`);
  const body: Record<string, unknown> = { transport: 'xen', domain: domid };
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const key = part.slice(0, at);
    if (at <= 0) throw refuse(`the request has ${JSON.stringify(part)}; allowed: key=value, separated by commas`);
    if (!isKey(key)) throw refuse(`${shown(key)}: not known; allowed: ${KEYS.join(', ')}`);
    if (key in body) throw refuse(`${key}: given twice`);
    body[key] = typed(key, part.slice(at + 1));
  }
  return check(vgpuSpec, { name: defaultName, ...body });
}

/** As JSON would have it; what is no number stays a text, and the check says what the key takes. */
function typed(key: Key, text: string): unknown {
  if (NUMBERS.has(key) && /^\d{1,9}$/.test(text)) return Number(text);
  if (key === 'monitor' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

const shown = (key: string): string => (/^[\w.-]{1,40}$/.test(key) ? key : JSON.stringify(key.slice(0, 40)));

/** A vGPU's name that is like the domain's, and free. */
export function nameFor(
  domain: { readonly domid: number; readonly name: string | null },
  taken: ReadonlySet<string>,
): string {
  const tame = (domain.name ?? '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '');
  // Names of digits alone are ids; room is left for the number that tells two of one name apart.
  const base = tame === '' ? `domain-${domain.domid}` : /^\d+$/.test(tame) ? `vm-${tame}` : tame;
  const short = base.slice(0, 56);
  let name = short;
  for (let n = 2; taken.has(name); n++) name = `${short}-${n}`;
  return name;
}
