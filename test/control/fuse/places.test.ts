import { expect, test } from 'vitest';
import { placesOf } from '../../../src/control/fuse/index.js';

test('a tree that is mounted elsewhere, or nowhere, leaves the sockets where they are', () => {
  const untouched = { api: '/run/xengt/api.sock', sockets: '/run/xengt', links: [] };
  expect(placesOf('/run/xengt/api.sock', undefined)).toEqual(untouched);
  expect(placesOf('/run/xengt/api.sock', '/run/xengt/sys')).toEqual(untouched);
  expect(placesOf('/run/xengt/api.sock', '/mnt')).toEqual(untouched);
});

test('a tree that would hide the API socket has a link to it', () => {
  expect(placesOf('/run/xengt/api.sock', '/run/xengt')).toEqual({
    api: '/run/xengt.sockets/api.sock',
    sockets: '/run/xengt.sockets',
    links: [['api.sock', '../xengt.sockets/api.sock']],
  });
});

test('a tree that would hide the folder of the API socket is refused', () => {
  expect(() => placesOf('/run/xengt/api.sock', '/run')).toThrow(
    'sysfs: /run would hide /run/xengt, where the API socket is',
  );
});
