/**
 * xenstore: a client of the store of a Xen host, through which the toolstack and its helpers tell each other what they want.
 *
 * `XenstoreClient.connect()` for nodes and watches, `transaction()` for several changes at once, `DomainWatcher` for guests
 * that come and go. Everything that is refused is a XenstoreError with the errno and the path.
 */
export {
  SOCKETS,
  type Store,
  type Watch,
  XenstoreClient,
  type XenstoreOptions,
  xenstoredSocket,
} from './client.js';
export { type Domain, DomainWatcher, type DomainWatcherOptions, findDomain, liveDomains } from './domains.js';
export { isErrno, XENSTORED_ERRNOS, type XenstoredErrno, XenstoreError } from './errors.js';
export { isUnder } from './paths.js';
export type { Access, Permission } from './permissions.js';
export { transaction } from './transaction.js';
