/** What a command line ends with, by class of error; the errors' own codes are in the catalogue of base/errors. */
export const EXITS: ReadonlyMap<number, string> = new Map([
  [0, 'done'],
  [1, '`replay`: answers differ; `scan`: interrupted'],
  [2, 'wrong usage or configuration'],
  [4, 'no such vGPU'],
  [5, 'name taken, or in use'],
  [6, 'no room for the vGPU'],
  [7, 'no daemon answers, or something that it needs is missing'],
  [65, 'a damaged journal or recording, or a guest or VMM that breaks its protocol'],
  [69, 'Xen refused'],
  [70, 'a bug'],
  [74, 'the operating system refused'],
  [77, 'the token is missing or wrong'],
]);
