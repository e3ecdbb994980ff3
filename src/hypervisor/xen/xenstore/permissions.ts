/**
 * Who may do what with a node: the first entry names its owner, who may do everything, and what all others may; the next
 * ones name what other domains may (Xen's docs/misc/xenstore.txt).
 */
import { XengtError } from '../../../base/index.js';
import { XenstoreError } from './errors.js';

export type Access = 'none' | 'read' | 'write' | 'both';

export interface Permission {
  readonly domid: number;
  readonly access: Access;
}

const LETTERS = { none: 'n', read: 'r', write: 'w', both: 'b' } as const satisfies Record<Access, string>;
const ACCESSES: Readonly<Record<string, Access>> = { n: 'none', r: 'read', w: 'write', b: 'both' };

export function permissionTexts(permissions: readonly Permission[], path: string): string[] {
  if (permissions.length === 0) throw new XenstoreError('EINVAL', 'SET_PERMS', path, 'there is no owner');
  return permissions.map(({ domid, access }) => {
    if (Number.isInteger(domid) && domid >= 0 && domid <= 0xffff) return LETTERS[access] + domid;
    throw new XenstoreError('EINVAL', 'SET_PERMS', path, `${domid} is no domain`);
  });
}

/** @throws XengtError for what is no permission */
export function parsePermissions(entries: readonly string[]): Permission[] {
  return entries.map((text) => {
    const [, letter = '', domid = ''] = /^([nrwb])(\d{1,5})$/.exec(text) ?? [];
    const access = ACCESSES[letter];
    if (access === undefined) throw new XengtError('XENGT_E_XEN', `"${text}" is no permission`);
    return { domid: Number(domid), access };
  });
}
