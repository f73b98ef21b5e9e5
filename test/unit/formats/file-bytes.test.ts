import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openByteFile } from '../../../lib/formats/file-bytes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('a range of many pieces is read whole, into the memory that is given for it', async () => {
  const path = join(temporaryFolder('tristage-bytes-'), 'large');
  const size = (36 << 20) + 5;
  const content = Buffer.alloc(size);
  for (let i = 0; i < size; i += 997) content[i] = i % 251;
  await writeFile(path, content);
  const file = await openByteFile(path);
  try {
    let given: Uint8Array | undefined;
    const bytes = await file.read(3, size - 3, (length) => {
      given = new Uint8Array(length);
      return given;
    });
    assert.equal(bytes, given);
    assert.ok(content.subarray(3).equals(bytes));
    await assert.rejects(file.read(3, size), { code: 'E_FILE_READ' });
  } finally {
    await file.close();
  }
});
