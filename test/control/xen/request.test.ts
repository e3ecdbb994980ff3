import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { check } from '../../../src/control/checked.js';
import { vgpuSpec } from '../../../src/control/vgpu-spec.js';
import { nameFor, parseRequest } from '../../../src/control/xen/index.js';

const parse = (text: string) => parseRequest(text, 7, 'desk');
const refused = (text: string): string => {
  try {
    parse(text);
    return 'taken';
  } catch (error) {
    if (error instanceof XengtError) return `${error.code} ${error.message}`;
    throw error;
  }
};

describe('a request', () => {
  test('with a type alone gets the name of its domain', () => {
    expect(parse('type=V5_4')).toEqual({ name: 'desk', type: 'V5_4', transport: { kind: 'xen', domid: 7 } });
  });

  test('may have all keys of a vGPU', () => {
    expect(
      parse('name=own,vm=Desk 1,weight=3,lowMiB=100,highMiB=400,fences=4,monitor=false,scanProcesses=all'),
    ).toEqual({
      name: 'own',
      vm: 'Desk 1',
      weight: 3,
      lowMiB: 100,
      highMiB: 400,
      fences: 4,
      monitor: false,
      scanProcesses: 'all',
      transport: { kind: 'xen', domid: 7 },
    });
    expect(parse('type=V5_4,vm=12').vm).toBe('12');
  });

  test.each([
    ['', 'the request has ""; allowed: key=value, separated by commas'],
    ['type', 'the request has "type"; allowed: key=value'],
    ['=V5_4', 'the request has "=V5_4"; allowed: key=value'],
    ['type=V5_4,', 'the request has ""; allowed: key=value'],
    [
      'typ=V5_4',
      'typ: not known; allowed: type, name, vm, weight, cap, priority, lowMiB, highMiB, fences, monitor, scanProcesses',
    ],
    ['transport=replay', 'transport: not known'],
    ['domain=8', 'domain: not known'],
    ['record=/etc/passwd', 'record: not known'],
    ['__proto__=1', '__proto__: not known'],
    ['type=V5_4,type=V5_8', 'type: given twice'],
    ['type=V5_4,weight=0', 'weight: 0 is not allowed; allowed: a whole number from 1 to 255'],
    ['type=V5_4,weight=1.5', 'weight: "1.5" is not allowed; allowed: a whole number from 1 to 255'],
    ['type=V5_4,monitor=yes', 'monitor: "yes" is not allowed; allowed: true, false'],
    ['type=V5_4,name=a/b', 'name: "a/b" is not allowed'],
    ['type=', 'type: "" is not allowed'],
    ['weight=3', 'type: missing; allowed: a name that `xengt types` lists'],
    ['type=V5_4,lowMiB=64', 'type: give either type or the sizes'],
    [`type=V5_4,vm=${'x'.repeat(600)}`, 'the request has 613 characters; at most 512 fit'],
  ])('%j is refused, and the key and rule are named', (text, reason) => {
    expect(refused(text)).toContain(`XENGT_E_CONFIG ${reason}`);
  });

  test('of whatever kind is taken or refused, and never more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(refused(text)).toMatch(/^(taken|XENGT_E_CONFIG .)/);
      }),
    );
  });
});

describe("the name of a domain's vGPU", () => {
  const name = (domain: string | null, ...taken: string[]) => nameFor({ domid: 7, name: domain }, new Set(taken));

  test.each([
    ['desk', 'desk'],
    ['Büro 1!', 'B-ro-1'],
    ['--x--', 'x'],
    ['42', 'vm-42'],
    ['', 'domain-7'],
    ['→', 'domain-7'],
    [null, 'domain-7'],
  ])('%j becomes %s', (given, expected) => {
    expect(name(given)).toBe(expected);
  });

  test('that is taken gets a number', () => {
    expect(name('desk', 'desk', 'desk-2')).toBe('desk-3');
  });

  test('is one that a vGPU can have, whatever the domain is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (domain) => {
        const made = name(domain, name(domain));
        const body = { name: made, type: 'V5_4', transport: 'xen', domain: 7 };
        expect(check(vgpuSpec, body).name).toBe(made);
      }),
    );
  });
});
