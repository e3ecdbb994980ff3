/** A property that fails has killed the mutation: no time is spent on a smaller example, and all runs draw alike. */
import fc from 'fast-check';

fc.configureGlobal({ seed: 1, endOnFailure: true });
