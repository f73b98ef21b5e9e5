/** What floor.cpp replaces is asked for in the old version, and the replacements do the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findCompiler } from '../../lib/engine/toolchain.ts';
import { FLOOR_LINK } from './addon.ts';
import { aboveFloor, versionsOf } from './symbols.ts';

const root = await mkdtemp(join(tmpdir(), 'tristage-floor-'));
after(() => rm(root, { recursive: true }));
const compiler = await findCompiler();

const PROGRAM = `
#include <cmath>
#include <cstdio>
#include <dlfcn.h>
#include <memory>
#include <sstream>
extern "C" int check(double base) {
  std::ostringstream text;
  text << std::pow(base, 3);
  auto shared = std::make_shared<std::string>(text.str());
  auto other = shared;
  if (dlopen("no-such-library", RTLD_NOW) != nullptr || dlerror() == nullptr) return 1;
  return *other == "8" ? 0 : 2;
}
`;

test('a library that uses what newer systems have runs on the floor', { skip: compiler === undefined }, async () => {
  const source = join(root, 'check.cpp');
  const library = join(root, 'check.so');
  await writeFile(source, PROGRAM);
  const floor = join(import.meta.dirname, 'floor.cpp');
  const flags = ['-std=c++20', '-O2', '-fPIC', '-fno-builtin', '-fvisibility-inlines-hidden', '-shared'];
  execFileSync(compiler!.path, [...flags, FLOOR_LINK, source, floor, '-ldl', '-o', library]);
  assert.deepEqual(aboveFloor(await versionsOf(library)), []);
  const call = `import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).check; f.argtypes = [ctypes.c_double]; sys.exit(f(2.0))`;
  execFileSync('python3', ['-c', call, library]);
});
