/**
 * tree: the operator's view as one tree of attributes, declared once. Every face (a mounted file system, HTTP) shows this tree
 * and changes things through it; it reads and moves the mediator by its API of messages.
 */
import { type Declared, declare, ONE, RO } from './declare.js';
import { definitionGroups } from './definitions.js';
import { mdevGroups } from './mdev.js';
import { ownGroups } from './own.js';
import { xengtGroups } from './xengt.js';

export { ERRNO, type ErrnoName, errnoOf, TreeRefusal } from './errno.js';
export { type Attribute, type Content, type Folder, find, type Link, partsOf, type TreeNode } from './node.js';
export { deviceOf, type Surroundings } from './state.js';
export { Tree, type Watch, type Write } from './tree.js';

const refusalGroup = declare<null>({
  at: 'xengt',
  doc: 'The program itself.',
  members: () => ONE,
  rows: [
    {
      name: 'last_refusal',
      mode: RO,
      type: 'ERRNO PATH: REASON',
      doc: 'Why the last write that failed did, in a sentence; empty when none has.',
      read: (_none, { lastRefusal }) => lastRefusal,
    },
  ],
});

/** Everything that the tree holds. */
export const GROUPS: readonly Declared[] = [
  ...mdevGroups,
  ...xengtGroups,
  ...ownGroups,
  ...definitionGroups,
  refusalGroup,
];
