/** All benchmarks: what each is called, what it measures, and what it is measured against. */
import { contexts } from './contexts.js';
import { decisions } from './decisions.js';
import { gttWrites } from './gtt-writes.js';
import type { Effort, Table } from './measure.js';
import { writesPosted } from './posted-writes.js';
import { registers } from './registers.js';
import { replay } from './replay.js';
import { scan } from './scan.js';
import { scanRings } from './scan-rings.js';
import { scanout } from './scanout.js';
import { shadowPpgtt } from './shadow-ppgtt.js';
import { submission } from './submission.js';
import { traps } from './traps.js';

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** For the manual: what an operation is, and what the baseline. */
  readonly about: string;
  /** Starts threads from compiled files, so that it runs from a build only. */
  readonly needsBuild?: boolean;
  readonly run: (effort: Effort) => Table | Promise<Table>;
}

export const BENCHMARKS: readonly Benchmark[] = [
  {
    name: 'registers',
    title: 'Register dispatch',
    about:
      'From an offset to the answer. The register file is measured alone and, as "by the guest", through the vGPU that an ' +
      'adapter calls. Handled registers are a mix that runs small handlers: PVINFO, fences, frame counters; forcewake, ' +
      'interrupt masks, TLB invalidation, masked mode registers. Baselines: a typed array behind a function, and an object ' +
      'of two functions for each register that is found by offset in a Map.',
    run: registers,
  },
  {
    name: 'gtt-writes',
    title: 'GTT writes',
    about:
      'A guest writes one entry of its global GTT: the vGPU joins halves and audits, the arbiter checks the owner again and ' +
      'finds the machine frame, the device gets the entry. Baseline: two stores to typed arrays.',
    run: gttWrites,
  },
  {
    name: 'traps',
    title: 'Trap round trip',
    about:
      'A VMM sends a read of one register over a UNIX socket and waits for the answer: vfio-user server, wait loop, vGPU and ' +
      'addon are the real ones. With one thread, client and server take turns; with two, each sleeps until the other wakes ' +
      'it. Baseline: bytes of the same sizes to and fro over a socketpair, with the same system calls and none of our code.',
    needsBuild: true,
    run: traps,
  },
  {
    name: 'posted-writes',
    title: 'Posted writes',
    about:
      'Writes that want no answer, in bursts of 64, as messages of their own or together in one. An operation is a write. ' +
      'Baseline: the same bytes in the same number of sends over a socketpair, received and thrown away.',
    run: writesPosted,
  },
  {
    name: 'submission',
    title: 'Submission to completion',
    about:
      'A guest writes ELSP; its context is read, its page tables are synchronised, its ring is copied and scanned, the model ' +
      'executes it, and the guest finds the entry in its context status buffer. The ring holds a seqno store, a batch of one ' +
      'or 256 stores in the PPGTT, another store and an interrupt. A render context has 22 pages to be compared and copied ' +
      'where they differ, a blitter context two. Baseline: the same ring submitted to the model without the mediator. Time is virtual: engine time that ' +
      'the model declares is not in the figures.',
    run: submission,
  },
  {
    name: 'contexts',
    title: 'Context switches',
    about:
      'A submission to completion as above, with one store, by which context it is of. A render context of Gen9 has 22 pages; of ' +
      'these only what has changed is copied, in either direction. The rest of a submission is in the figures as well, so ' +
      'the difference between the rows is what changing contexts costs. Work that is broken off waits for a semaphore in its ring ' +
      'until the other guest is done; its row has the polling of a millisecond in it, the least that work keeps an engine. Baseline: copying a whole render context to its ' +
      'shadow and back.',
    run: contexts,
  },
  {
    name: 'decisions',
    title: 'Scheduling decisions',
    about:
      'What the policy costs per workload: whose turn it is, that its queue ran empty and filled again, and what it is charged, ' +
      'with seven vGPUs that all have work. Baseline: the next in turn, whatever it used.',
    run: decisions,
  },
  {
    name: 'replay',
    title: 'Replay of recorded guests',
    about:
      'A journal of a real guest, from file to the last compared answer. Baselines: the guest as it was recorded, which also ' +
      'slept and waited, and unpacking and reading the journal without replaying it.',
    run: replay,
  },
  {
    name: 'scan',
    title: 'Command scanner: batches of real drivers',
    about:
      'An operation is one command of the batches that Mesa, media drivers, benchmarks and IGT submitted (test/fixtures/corpus; ' +
      'accepted ones, Gen8 and Gen9 in place, Haswell as well where they are copied). A cold pass finds nothing in the caches, ' +
      'the other figures are of pass after pass. A verdict is reused when every page still has the version that it was judged ' +
      'at, where a hypervisor counts writes, or when every dword is the same. Baselines: a walk over the same dwords by a flat ' +
      'table of lengths, in the same language, that looks at nothing; and a copy of the dwords.',
    run: scan,
  },
  {
    name: 'scan-rings',
    title: 'Command scanner: rings',
    about:
      'An operation is one command. Streams: requests as i915 puts them into a ring; a privileged batch of render state, ' +
      'which the scanner also copies; register loads of 32 registers each. Baseline: a walk over the same commands by their ' +
      'header lengths.',
    run: scanRings,
  },
  {
    name: 'shadow-ppgtt',
    title: 'Shadow PPGTT',
    about:
      'What a submission pays for the page tables that its context reaches. Baseline: comparing as many pages with memcmp.',
    run: shadowPpgtt,
  },
  {
    name: 'scanout',
    title: 'Scanout capture',
    about:
      'The picture of one screen with 32-bit pixels, whose pages lie scattered, in fresh memory. Baseline: copying as many ' +
      'pages to memory that is there already.',
    run: scanout,
  },
];
