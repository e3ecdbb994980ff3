/**
 * `npm run test:guest -- --load`: seven guests on one mediator, the most that a device with 1 GiB of aperture holds of the
 * smallest type. Two, three and seven of them load the render engine by weight; one is capped; one hangs the engine beside
 * another; and recorded guests take the places of two.
 */
import { XengtError } from '../../../src/base/index.js';
import { Checks } from '../checks.js';
import { Mediator } from '../mediator.js';
import { newLogFolder } from '../paths.js';
import { provision, showProgress } from '../provision/index.js';
import { newRunFolder } from '../run-folder.js';
import { checkBooks, sayGoodbye } from './books.js';
import { bootMember, type CrowdOptions, type Member } from './crowd.js';
import { hangs } from './hangs.js';
import { mixed } from './mixed.js';
import { capped, type SharesScene, weighted } from './shares.js';

export interface LoadRequest {
  /** Scenes by name; none: all. */
  readonly names: readonly string[];
  readonly kernel: string;
  readonly memoryMiB: number;
  /** How long each is looked at. */
  readonly seconds: number;
  /** Of one frame, in engine time. */
  readonly frameUs: number;
}

export const LOAD_DEFAULTS = { kernel: 'trixie', memoryMiB: 320, seconds: 30, frameUs: 2000 } as const;

const GUESTS = 7;
const SMALLEST_TYPE = 'V5_8';
/** Guests that boot at the same time: more only get into each other's way. */
const BOOT_AT_ONCE = 2;
const QUEUED = 8;
const CAP = 30;
const SCENES = ['shares', 'caps', 'hangs', 'mixed'] as const;
const WEIGHTS = [
  [1, 2],
  [1, 2, 4],
  [1, 2, 4, 1, 2, 4, 1],
] as const;

/** What the scenes of one mediator work with. */
interface Stage {
  readonly options: CrowdOptions;
  readonly members: Member[];
  readonly scene: SharesScene;
}

function chosen(names: readonly string[]): ReadonlySet<string> {
  const unknown = names.find((name) => !SCENES.some((scene) => scene === name));
  if (unknown !== undefined) {
    throw new XengtError('XENGT_E_USAGE', `"${unknown}" is no scene of --load; there are ${SCENES.join(' ')}`);
  }
  return new Set(names.length === 0 ? SCENES : names);
}

/** Boots guests until so many are there, a few at a time. */
async function bootUpTo(count: number, checks: Checks, options: CrowdOptions, members: Member[]): Promise<boolean> {
  if (members.length === count) return true;
  let next = members.length;
  const booted: (Member | undefined)[] = [];
  const bootSome = async (): Promise<void> => {
    while (next < count) {
      const at = next++;
      const name = `vm${at + 1}`;
      booted[at] = await checks.works(`${name} boots and i915 binds`, () => bootMember(options, name));
    }
  };
  await Promise.all(Array.from({ length: BOOT_AT_ONCE }, bootSome));
  members.push(...booted.flatMap((member) => (member === undefined ? [] : [member])));
  return checks.check(`${count} guests are there at once`, members.length === count);
}

/** One mediator, its guests and their scenes, from beginning to end. */
async function act(checks: Checks, request: LoadRequest, scenes: (stage: Stage) => Promise<void>): Promise<void> {
  const { kernel, memoryMiB, seconds, frameUs } = request;
  const rig = await provision([kernel]);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`load: consoles and the mediator's log are in ${logFolder}`);
  const mediator = await checks.works('the mediator starts', () => Mediator.start(runFolder, logFolder));
  if (mediator === undefined) return;
  const { client } = mediator;
  const options = { client, rig, kernel, type: SMALLEST_TYPE, memoryMiB, runFolder, logFolder };
  const members: Member[] = [];
  await scenes({ options, members, scene: { checks, client, members, frameUs, queued: QUEUED, seconds } });
  await checkBooks(checks, mediator);
  await sayGoodbye(checks, members);
  checks.check('the mediator is still running', mediator.running);
  const exit = await mediator.stop();
  checks.check('the mediator stops when asked', exit.code === 0, `code ${exit.code}, signal ${exit.signal}`);
}

export async function loadMain(request: LoadRequest): Promise<number> {
  const wanted = chosen(request.names);
  const checks = new Checks();
  if (SCENES.some((name) => name !== 'hangs' && wanted.has(name))) {
    await act(checks, request, async ({ options, members, scene }) => {
      for (const weights of wanted.has('shares') ? WEIGHTS : []) {
        if (!(await bootUpTo(weights.length, checks, options, members))) return;
        await weighted(scene, weights);
      }
      if (!(await bootUpTo(GUESTS, checks, options, members))) return;
      if (wanted.has('caps')) {
        await capped(scene, CAP, true);
        await capped(scene, CAP, false);
      }
      if (wanted.has('mixed')) await mixed(scene);
    });
  }
  // A device of its own: who waited out a hang has the longest wait for good, and with two guests a slice is half a period.
  if (wanted.has('hangs')) {
    await act(checks, request, async ({ options, members, scene }) => {
      if (await bootUpTo(2, checks, options, members)) await hangs(scene, options, members);
    });
  }
  return checks.finish();
}
