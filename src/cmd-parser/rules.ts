/**
 * The rules by which a command stream is judged. A code is stable: operators, metrics and tests match on it; the sentence
 * says what the rule protects.
 */
export const SCAN_RULES = {
  'unknown-command': 'only commands that the engine is known to have run',
  'refused-command':
    'commands that reach beyond the own context (page tables, other contexts, unaudited stores) never run',
  length: 'a command has one of the lengths that the command streamer defines for it',
  truncated: 'a command ends within its buffer',
  address: 'every byte that a command touches through the global GTT lies in one of the own ranges',
  'global-select': 'a batch of a process reaches memory through its own page tables only',
  index: 'an index into the status page stays within that page',
  'register-write': 'commands write only registers that are open to commands, of the own engine',
  'register-read':
    'commands read only registers that are open to commands, of the own engine, its counters and timestamps',
  'register-value': 'a register that holds an address or a mode takes only values that keep the context isolated',
  'batch-level': 'a second-level batch starts only from a first-level batch',
  'batch-address': 'the address of a batch is stated in the command itself',
  'batch-unmapped': 'a batch lies in mapped memory of the own ranges, up to its end',
  'batch-loop': 'privileged batches do not jump back to themselves, unless a predicate may end it',
  'batch-budget': 'the batches of one submission have a bounded size and number',
  'self-modifying': 'nothing writes into a batch of which a private copy is executed',
  'end-outside-batch': 'only a batch ends with a batch buffer end',
  predicate: 'nothing in a batch may skip its jumps and its end',
} as const;

export type ScanCode = keyof typeof SCAN_RULES;

/**
 * What can not be walked past: behind it nobody knows where the next command is. A survey, which is of a batch, goes on after
 * the others.
 */
export const STRUCTURAL: ReadonlySet<ScanCode> = new Set<ScanCode>([
  'unknown-command',
  'length',
  'batch-unmapped',
  'batch-budget',
]);
