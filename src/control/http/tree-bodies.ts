/** Bodies of requests that write the tree. */
import { brokenRule, list, record, text } from '../checked.js';

/** As many as a transaction may have. */
const MOST_WRITES = 100;

const value = text('the text that is to be written', () => true);

export const valueBody = record({ value });

export const writesBody = record({
  writes: list(record({ path: text('a path of the tree', () => true), value }), 'writes'),
}).superRefine(({ writes }, context) => {
  if (writes.length > MOST_WRITES) {
    context.addIssue(brokenRule(['writes'], `${writes.length} are too many; ${MOST_WRITES} are allowed`));
  }
});
