/**
 * igt: the Intel GPU Tools' tests in a guest. Lists of subtests (`subtests.txt` is the project's own), a guest that runs them,
 * verdicts from what IGT says.
 */

export { parseLists, parseSubtest, readList, type Subtest, titleOf } from './lists.js';
export { IgtMachine } from './machine.js';
export { checkBasics, IGT_DEFAULTS, type IgtRequest, igtMain, ownList } from './main.js';
export { type Outcome, reasonIn, type Verdict, verdictOf } from './outcome.js';
export { count, type Result, runSubtests } from './run.js';
