/** Survivors that are right to survive: the changed text does the same. Each with its reason, which the manual shows. */
import type { Equivalent } from './report.js';

export const EQUIVALENTS: readonly Equivalent[] = [];
