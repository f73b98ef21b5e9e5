/** Every container of weights, as its original library wrote it, then damaged: a coded error or sound tensors, in bounded memory. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { checkHostTensor } from '../../../lib/formats/host-tensor.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const FIXTURES = join(import.meta.dirname, '../../parity/fixtures');
const folder = temporaryFolder('tristage-hostile-');

/** Files, and bytes from the start that decide how the rest is read. */
const FILES: readonly [string, number][] = [
  ['gguf/untied.gguf', 3000],
  ['gguf/tied.gguf', 3000],
  ['safetensors_dtypes/stored.safetensors', 1300],
  ['lora/adapter/adapter_model.safetensors', 2000],
  ['lora/adapter/adapter_model.bin', 3000],
];

/** Beyond what the files themselves take, which is less than one megabyte each. */
const MEMORY = 256e6;

/** Reads everything; @returns the code of the error, or undefined when all was read */
async function outcome(bytes: Uint8Array): Promise<string | undefined> {
  const path = join(folder, 'damaged');
  await writeFile(path, bytes);
  try {
    const file = await openWeights(path);
    try {
      for (const name of file.entries.keys()) checkHostTensor(await file.read(name));
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    assert.ok(error instanceof TristageError, String(error));
    assert.equal(error.where, path);
    return error.code;
  }
}

describe('damaged weights', () => {
  for (const [name, head] of FILES) {
    it(`${name} is refused cut at 50 seeded places, and at each of its first 100 bytes`, async () => {
      const whole = await readFile(join(FIXTURES, name));
      assert.equal(await outcome(whole), undefined);
      const random = randomStream(71);
      const seeded = Array.from({ length: 50 }, (_, i) => random.integer(i, whole.byteLength - 64));
      for (const length of [...seeded, ...Array(100).keys()]) {
        assert.match(String(await outcome(whole.subarray(0, length))), /^E_/, `${length} bytes`);
      }
    });

    it(`${name} with a changed byte in its head is refused or read whole, without much memory`, async () => {
      const whole = await readFile(join(FIXTURES, name));
      const random = randomStream(72);
      const before = process.resourceUsage().maxRSS;
      let refused = 0;
      for (let i = 0; i < 150; i++) {
        const bytes = Buffer.from(whole);
        bytes[random.integer(2 * i, Math.min(head, whole.byteLength))] = random.integer(2 * i + 1, 256);
        if ((await outcome(bytes)) !== undefined) refused++;
      }
      assert.ok(refused > 10, `${refused} refused`);
      assert.ok((process.resourceUsage().maxRSS - before) * 1024 < MEMORY);
    });

    it(`${name} with eight bytes of its head turned into a huge number is refused or read whole, without much memory`, async () => {
      const whole = await readFile(join(FIXTURES, name));
      const random = randomStream(73);
      const before = process.resourceUsage().maxRSS;
      for (let i = 0; i < 60; i++) {
        const bytes = Buffer.from(whole);
        const huge = [0x7fffffffffffffffn, 0xffffffffffffffffn, 1n << 40n][i % 3] as bigint;
        bytes.writeBigUInt64LE(huge, random.integer(i, Math.min(head, whole.byteLength) - 8));
        await outcome(bytes);
      }
      assert.ok((process.resourceUsage().maxRSS - before) * 1024 < MEMORY);
    });
  }
});
