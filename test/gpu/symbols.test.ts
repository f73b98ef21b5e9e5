/** Reading symbol versions, and holding them to the floor. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aboveFloor, newestVersions, versionsOf } from './symbols.ts';

const OBJDUMP = `
  NEEDED               libm.so.6

Version References:
  required from libm.so.6:
    0x06969187 0x00 19 GLIBC_2.27
    0x09691a75 0x00 16 GLIBC_2.2.5
  required from libc.so.6:
    0x06969194 0x00 15 GLIBC_2.9
  required from libstdc++.so.6:
    0x0297f871 0x00 07 GLIBCXX_3.4.29
    0x0bafd179 0x00 04 CXXABI_1.3.9
`;

test('the newest version of each kind is found by its numbers', () => {
  assert.deepEqual(
    [...newestVersions(OBJDUMP)],
    [
      ['GLIBC', '2.27'],
      ['GLIBCXX', '3.4.29'],
      ['CXXABI', '1.3.9'],
    ],
  );
});

test('only what is newer than the floor is named', () => {
  assert.deepEqual(aboveFloor(newestVersions(OBJDUMP)), ['GLIBCXX 3.4.29, the floor is 3.4.25']);
  assert.deepEqual(aboveFloor(new Map([['GLIBC', '2.28']])), []);
  assert.deepEqual(aboveFloor(new Map([['GLIBC', '2.3']])), []);
});

test('a file that is no binary is refused', async () => {
  await assert.rejects(versionsOf(import.meta.filename), /tells nothing/);
});
