/**
 * Several changes at once, or none. xenstored refuses the end of a transaction when others changed what it saw; it is then
 * run again from its start, so it must do nothing but read and write the store.
 */
import { endTransaction, LinkStore, type Store, startTransaction, type XenstoreClient } from './client.js';
import { isErrno, XenstoreError } from './errors.js';

const ATTEMPTS = 16;
/** Grows with each attempt, so that two which disturb each other come apart. */
const WAIT_MS = 2;

/** @throws what `body` throws, after the transaction was undone; XenstoreError EAGAIN when others do not let it through */
export async function transaction<T>(client: XenstoreClient, body: (store: Store) => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, WAIT_MS * attempt));
    const result = await once(client, body);
    if (result !== CONFLICT) return result;
  }
  throw new XenstoreError('EAGAIN', 'TRANSACTION_END', '', `others kept changing the same nodes, ${ATTEMPTS} times`);
}

const CONFLICT = Symbol('conflict');

async function once<T>(client: XenstoreClient, body: (store: Store) => Promise<T>): Promise<T | typeof CONFLICT> {
  const link = client.pinned();
  const store = new LinkStore(link, await startTransaction(new LinkStore(link, 0)));
  let result: T;
  try {
    result = await body(store);
  } catch (error) {
    if (link() !== null) await undo(store);
    if (isErrno(error, 'EAGAIN')) return CONFLICT;
    throw error;
  }
  try {
    await endTransaction(store, true);
    return result;
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return CONFLICT;
    throw error;
  }
}

/** Can fail only with the connection, or where xenstored forgot the transaction: undone it is either way. */
async function undo(store: LinkStore): Promise<void> {
  try {
    await endTransaction(store, false);
  } catch (error) {
    if (!(error instanceof XenstoreError)) throw error;
  }
}
