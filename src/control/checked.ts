/**
 * Checking of what an operator wrote, be it a file, a flag, a variable or a request: every refusal names the key, what was
 * given and what is allowed. Each leaf says its allowed values once, here; zod's own sentences never reach the operator.
 */
import { z } from 'zod';
import { XengtError } from '../base/index.js';

const TEXT_SHOWN = 60;

/** @param note why others that an operator may have heard of are not among them */
export function choice<const T extends readonly [string, ...string[]]>(values: T, note?: string) {
  return z.enum(values, { error: values.join(', ') + (note === undefined ? '' : ` (${note})`) });
}

export function numberOf<const T extends readonly [number, ...number[]]>(values: T) {
  return z.literal(values, { error: values.join(', ') });
}

export function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
}

export function flag() {
  return z.boolean({ error: 'true, false' });
}

/** Text that `accepts` takes; `allowed` is the same rule in words. */
export function text(allowed: string, accepts: (value: string) => boolean) {
  return z.string({ error: allowed }).refine(accepts, { error: allowed });
}

export function list<T extends z.ZodType>(of: T, allowed: string) {
  return z.array(of, { error: `a list of ${allowed}` });
}

/** An object in which a key that nobody knows is an error, not a silent default. */
export function record<T extends z.core.$ZodShape>(shape: T) {
  const keys = `the keys ${Object.keys(shape).join(', ')}`;
  return z.strictObject(shape, { error: keys });
}

/**
 * Checks `input` against `schema`.
 * @param nameOf how the operator knows a key: `weight`, `--platform`, `XENGT_PLATFORM`
 */
export function check<T extends z.ZodType>(
  schema: T,
  input: unknown,
  nameOf: (path: string) => string = (path) => path,
): z.output<T> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const sentences = result.error.issues.map((issue) => sentenceOf(issue, nameOf));
  throw new XengtError('XENGT_E_CONFIG', [...new Set(sentences)].join('; '));
}

function sentenceOf(issue: z.core.$ZodIssue, nameOf: (path: string) => string): string {
  const path = pathOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => nameOf(path === '' ? key : `${path}.${key}`)).join(', ');
    return `${unknown}: not known; allowed: ${issue.message}`;
  }
  const known = nameOf(path);
  const name = known === '' ? '' : `${known}: `;
  if (issue.code === 'custom' && issue.params?.rule === true) return `${name}${issue.message}`;
  const given = issue.input === undefined ? 'missing' : `${shown(issue.input)} is not allowed`;
  return `${name}${given}; allowed: ${issue.message}`;
}

/** A rule that spans keys; its message is a whole sentence. */
export function brokenRule(path: readonly string[], message: string) {
  return { code: 'custom' as const, path: [...path], message, params: { rule: true } };
}

function pathOf(path: readonly PropertyKey[]): string {
  let out = '';
  for (const part of path) {
    if (typeof part === 'number') out += `[${part}]`;
    else out += out === '' ? String(part) : `.${String(part)}`;
  }
  return out;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= TEXT_SHOWN ? text : `${text.slice(0, TEXT_SHOWN)}…`;
}
