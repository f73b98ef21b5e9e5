import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parquetWriteFile } from 'hyparquet-writer';
import { parquetRows } from '../../../lib/formats/parquet.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

async function rowsOf(path: string, columns: readonly string[]): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of parquetRows(path, columns)) rows.push(row);
  return rows;
}

/** Five rows in three groups; ids on both sides of 2^53. */
function written(): string {
  const path = join(temporaryFolder('tristage-parquet-'), 'a.parquet');
  parquetWriteFile({
    filename: path,
    rowGroupSize: 2,
    columnData: [
      { name: 'id', data: [1n, 2n, 3n, 9007199254740991n, 9007199254740993n], type: 'INT64' },
      { name: 'text', data: ['a', 'ä', '', '漢', 'e'], type: 'STRING' },
      { name: 'score', data: [0.5, 1, 2, 3, 4], type: 'DOUBLE' },
    ],
  });
  return path;
}

describe('parquet', () => {
  test('rows of all groups come in order; integers beyond 2^53 keep every digit', async () => {
    assert.deepEqual(await rowsOf(written(), ['id', 'text']), [
      { id: 1, text: 'a' },
      { id: 2, text: 'ä' },
      { id: 3, text: '' },
      { id: 9007199254740991, text: '漢' },
      { id: '9007199254740993', text: 'e' },
    ]);
  });

  test('a missing column, a missing file and no parquet at all are named', async () => {
    const path = written();
    await assert.rejects(rowsOf(path, ['id', 'caption']), { code: 'E_PARQUET', where: path, found: /caption/ });
    await assert.rejects(rowsOf(`${path}.absent`, ['id']), { code: 'E_FILE_READ', kind: 'data' });
    await writeFile(path, 'no parquet');
    await assert.rejects(rowsOf(path, ['id']), { code: 'E_PARQUET', kind: 'data' });
  });

  test('a file that ends early is an error wherever it ends', async () => {
    const path = written();
    const bytes = await readFile(path);
    for (let cut = 0; cut < bytes.length; cut += 23) {
      await writeFile(path, bytes.subarray(0, cut));
      await assert.rejects(rowsOf(path, ['id']), { code: 'E_PARQUET' }, `${cut} of ${bytes.length} bytes`);
    }
  });
});
