/** What the ordinary tests show on a small file, on one beyond the longest string of Node. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { costOfIndexing, writeCaptions } from '../support/annotations.ts';

const MIB = 2 ** 20;

test('two million captions in more than 512 MiB are indexed and read at random within 1.5 GB', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tristage-memory-'));
  try {
    const bytes = await writeCaptions(root, 2_000_000);
    assert.ok(bytes > 512 * MIB, String(bytes));
    const { rows, resident, read } = await costOfIndexing(root);
    assert.deepEqual([rows, read], [2_000_000, 1000]);
    assert.ok(resident < 1.5e9, `${Math.round(resident / MIB)} MiB`);
    process.stdout.write(
      `# ${Math.round(bytes / MIB)} MiB of annotations, ${Math.round(resident / MIB)} MiB resident\n`,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
