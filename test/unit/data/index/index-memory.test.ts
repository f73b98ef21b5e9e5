import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { costOfIndexing, writeCaptions } from '../../../support/annotations.ts';

const MIB = 2 ** 20;
/** Room for garbage that does not depend on how busy the machine is. */
const STEADY = ['--max-semi-space-size=4', '--max-old-space-size=160'];

test('the memory of indexing and reading does not grow with the annotation file', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tristage-memory-'));
  try {
    const [small, large] = [join(root, 'small'), join(root, 'large')];
    const bytes = [await writeCaptions(small, 40_000), await writeCaptions(large, 240_000)] as const;
    const [first, second] = [await costOfIndexing(small, STEADY), await costOfIndexing(large, STEADY)];
    assert.ok(bytes[1] > 60 * MIB && bytes[1] - bytes[0] > 50 * MIB, bytes.join());
    assert.deepEqual([first.rows, second.rows, first.read, second.read], [40_000, 240_000, 1000, 1000]);
    // The rows alone, held as strings, would take more than the growth of the file.
    const grown = second.resident - first.resident;
    assert.ok(grown < (bytes[1] - bytes[0]) / 2, `${Math.round(grown / MIB)} MiB more`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
