/** An export is opened without reading its weights, and gives them one at a time. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportModel } from '../../../lib/export/export.ts';
import { EXPORT_FORMATS } from '../../../lib/export/formats.ts';
import { openExport } from '../../../lib/export/verify.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { tinyExport } from './tiny-export.ts';

const folder = temporaryFolder('tristage-streamed-');

/** Puts zeros where the tensors of a file lie; headers and sizes stay. */
function blank(path: string): void {
  const bytes = readFileSync(path);
  const start = path.endsWith('.safetensors') ? 8 + Number(bytes.readBigUInt64LE(0)) : 0;
  bytes.fill(0, start);
  writeFileSync(path, bytes);
}

for (const format of EXPORT_FORMATS.filter(({ name }) => name !== 'minigptv2')) {
  test(`${format.name}: nothing is read when it is opened, and nothing is kept`, async () => {
    const out = join(folder, format.name);
    await exportModel({ ...tinyExport(), format, options: {}, out });
    const { context } = await openExport(out);
    const first = await format.open(out, context);
    const name = [...first.names].find((one) => one.endsWith('llama_proj.weight'))!;
    const values = (await first.read(name))?.values;
    assert.ok(values?.some((value) => value !== 0));
    const again = (await first.read(name))?.values;
    assert.notEqual(again, values);
    assert.deepEqual(again, values);
    for (const file of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
      const path = join(out, file);
      if (statSync(path).isFile() && /\.(safetensors|bin)$/.test(file)) blank(path);
    }
    // What a file holds now is what is read now
    for (const one of first.names)
      assert.ok(
        (await first.read(one))?.values.every((value) => value === 0),
        one,
      );
    assert.equal(await first.read('no.such.weight'), undefined);
    await first.close();
  });
}
