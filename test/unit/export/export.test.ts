import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { EXIT_STATUS, TristageError } from '../../../lib/core/errors.ts';
import { sha256 } from '../../../lib/core/hash.ts';
import { exportModel } from '../../../lib/export/export.ts';
import type { ExportFormat } from '../../../lib/export/format.ts';
import { writeLlamaFolder } from '../../../lib/export/llama-folder.ts';
import { type ExportManifest, manifestText, readManifest } from '../../../lib/export/manifest.ts';
import { merged } from '../../../lib/export/merged.ts';
import { peft } from '../../../lib/export/peft.ts';
import type { ExportOptions } from '../../../lib/export/request.ts';
import { verifyExport } from '../../../lib/export/verify.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { llamaShapes } from '../../../lib/model/shapes.ts';
import type { HostWeight } from '../../../lib/model/store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY, tinyExport } from './tiny-export.ts';

const folder = temporaryFolder('tristage-export-');
let count = 0;

interface Made {
  out: string;
  manifest: ExportManifest;
}

async function make(
  format: ExportFormat,
  { options = {}, out = join(folder, String(count++)) }: { options?: ExportOptions; out?: string } = {},
): Promise<Made> {
  return { out, manifest: await exportModel({ ...tinyExport(), format, options, out }) };
}

const withCode = (code: string, kind?: string) => (error: unknown) =>
  error instanceof TristageError && error.code === code && (kind === undefined || error.kind === kind);

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

/** Changes one byte in the middle of a file. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(path, bytes);
}

describe('the peft export', () => {
  test('has the files, keys and settings that PEFT writes, and the model without anything else', async () => {
    const { out, manifest } = await make(peft);
    assert.equal(manifest.parity.maxAbsLogitDiff, 0);
    const adapter = await readSafetensors(join(out, 'adapter_model.safetensors'));
    assert.equal(adapter.size, 2 * 2 * 2);
    for (const name of adapter.keys()) {
      assert.match(name, /^base_model\.model\.model\.layers\.[01]\.self_attn\.[qv]_proj\.lora_[AB]\.weight$/);
    }
    const { r, lora_alpha, target_modules, peft_type, base_model_name_or_path } = json(
      join(out, 'adapter_config.json'),
    );
    assert.deepEqual([peft_type, r, lora_alpha, target_modules], ['LORA', 2, 3, ['q_proj', 'v_proj']]);
    assert.equal(base_model_name_or_path, 'base');
    assert.deepEqual([...(await readSafetensors(join(out, 'projector.safetensors'))).keys()].sort(), [
      'llama_proj.bias',
      'llama_proj.weight',
      'ln_vision.bias',
      'ln_vision.weight',
    ]);
    const base = json(join(out, 'base/config.json'));
    assert.deepEqual([base.model_type, base.hidden_size, base.num_key_value_heads], ['llama', 16, 2]);
    const held = await readSafetensors(join(out, 'base/model.safetensors'));
    assert.deepEqual(held.get('model.embed_tokens.weight')?.shape, [TINY.llm.vocabulary, 16]);
  });

  test('refuses a model without adapters and leaves nothing', async () => {
    const { lora: _, ...config } = TINY;
    const out = join(folder, 'bare');
    const request = { ...tinyExport(config), format: peft, options: {}, out };
    await assert.rejects(exportModel(request), withCode('E_EXPORT_FORMAT', 'usage'));
    assert.equal(existsSync(out), false);
  });
});

describe('the merged export', () => {
  test('adds scaling x B x A to the adapted matrices and to no other', async () => {
    const { out, manifest } = await make(merged);
    assert.ok(manifest.parity.maxAbsLogitDiff < 1e-5);
    const held = await readSafetensors(join(out, 'model.safetensors'));
    const { weights } = tinyExport().subject;
    const values = async (name: string) => toFloat32(await weights.get(`llama_model.${name}`)!.read());
    const module = 'model.layers.1.self_attn.v_proj';
    const [w, a, b] = await Promise.all(
      ['weight', 'lora_A.weight', 'lora_B.weight'].map((n) => values(`${module}.${n}`)),
    );
    const found = toFloat32(held.get(`${module}.weight`)!);
    assert.equal(found.length, 8 * 16);
    for (let row = 0; row < 8; row++)
      for (let column = 0; column < 16; column++) {
        const update = b![2 * row]! * a![column]! + b![2 * row + 1]! * a![16 + column]!;
        const expected = w![16 * row + column]! + 1.5 * update;
        assert.ok(Math.abs(found[16 * row + column]! - expected) < 1e-6);
      }
    assert.deepEqual(
      toFloat32(held.get('model.layers.1.self_attn.k_proj.weight')!),
      await values('model.layers.1.self_attn.k_proj.weight'),
    );
    assert.deepEqual(
      [...held.keys()].filter((name) => name.includes('lora')),
      [],
    );
  });

  test('is cut into numbered files with an index where one would be too large', async () => {
    const { out, manifest } = await make(merged, { options: { shardBytes: 20_000 } });
    const files = readdirSync(out).filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name));
    assert.ok(files.length > 1);
    assert.equal(existsSync(join(out, 'model.safetensors')), false);
    const { metadata, weight_map } = json(join(out, 'model.safetensors.index.json'));
    assert.deepEqual(Object.keys(weight_map).length, llamaShapes(TINY.llm).size);
    assert.deepEqual([...new Set(Object.values(weight_map))].sort(), files);
    const weights = await openWeights(out);
    const total = [...weights.entries.values()].reduce(
      (sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1),
      0,
    );
    await weights.close();
    assert.equal(metadata.total_size, total);
    assert.ok(manifest.parity.maxAbsLogitDiff < 1e-5);
  });

  test('in half precision is accepted within a wider tolerance, which the manifest names', async () => {
    for (const [dtype, name] of [
      ['F16', 'float16'],
      ['BF16', 'bfloat16'],
    ] as const) {
      const { out, manifest } = await make(merged, { options: { dtype } });
      assert.equal(json(join(out, 'config.json')).torch_dtype, name);
      const tensors = manifest.files['model.safetensors']?.tensors ?? {};
      assert.deepEqual([...new Set(Object.values(tensors).map((tensor) => tensor.dtype))], [dtype]);
      assert.ok(manifest.parity.maxAbsLogitDiff > 0 && manifest.parity.tolerance >= 1e-2);
    }
  });
});

/** A format that loses something on the way. */
function lying(change: Parameters<Map<string, { values: Float32Array }>['forEach']>[0]): ExportFormat {
  return {
    ...peft,
    open: async (...request) => {
      const model = await peft.open(...request);
      const weights = new Map<string, HostWeight>();
      for (const name of model.names) weights.set(name, (await model.read(name)) as HostWeight);
      weights.forEach(change as never);
      return { ...model, names: new Set(weights.keys()), read: async (name) => weights.get(name) };
    },
  };
}

describe('an export that is not the model', () => {
  test('is not published: exit 9, and an earlier export stays as it was', async () => {
    const { out } = await make(peft);
    const before = readFileSync(join(out, 'manifest.json'), 'utf8');
    const format = lying(({ values }) => {
      values[0] = (values[0] as number) + 0.5;
    });
    await assert.rejects(make(format, { out }), (error) => {
      assert.ok(error instanceof TristageError);
      assert.equal(EXIT_STATUS[error.kind], 9);
      return error.code === 'E_EXPORT_PARITY';
    });
    assert.equal(readFileSync(join(out, 'manifest.json'), 'utf8'), before);
    const fresh = join(folder, 'refused', 'deep');
    await assert.rejects(make(format, { out: fresh }), withCode('E_EXPORT_PARITY'));
    assert.deepEqual(readdirSync(join(folder, 'refused')), []);
  });

  test('is not published when values are not finite or a weight is lost', async () => {
    const spoiled = lying(({ values }) => void values.fill(Number.NaN));
    await assert.rejects(make(spoiled), withCode('E_EXPORT_PARITY'));
    const lost = lying((_, name, all) => void (name.startsWith('llama_proj') && all.delete(name)));
    await assert.rejects(make(lost), withCode('E_WEIGHT_MISSING'));
  });

  test('an option that the format does not take is refused', async () => {
    await assert.rejects(make(peft, { options: { loraKeys: 'default' } }), withCode('E_EXPORT_OPTION', 'usage'));
  });
});

describe('the manifest', () => {
  test('names every file and tensor, and reads back as it was written', async () => {
    const { out, manifest } = await make(peft);
    assert.deepEqual(await readManifest(out), manifest);
    const listed = readdirSync(out, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
      .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1));
    assert.deepEqual(Object.keys(manifest.files), listed.sort());
    const adapter = readFileSync(join(out, 'adapter_model.safetensors'));
    assert.equal(manifest.files['adapter_model.safetensors']?.sha256, sha256(adapter));
    assert.equal(manifest.prompt.image, '[INST] <Img>{image}</Img> {text} [/INST]');
    assert.equal(manifest.prompt.text, '[INST] {text} [/INST]');
    assert.equal(manifest.tasks['refer'], '[refer]');
    assert.equal(manifest.tokenizer.kept?.length, TINY.llm.vocabulary);
    assert.match(readFileSync(join(out, 'manifest.json'), 'utf8'), /"shape": \[2, 16\]/);
  });

  test('that says something else is refused with the place', async () => {
    const { out, manifest } = await make(peft);
    const file = join(out, 'manifest.json');
    for (const [text, place] of [
      ['{', /JSON/],
      [manifestText({ ...manifest, step: -1 }), /step/],
      ['{"format": 1, "step": 3}', /manifest/],
    ] as const) {
      writeFileSync(file, text);
      await assert.rejects(readManifest(out), (error) => {
        assert.ok(withCode('E_EXPORT_MANIFEST', 'checkpoint')(error));
        return place.test((error as TristageError).found ?? '');
      });
    }
  });
});

describe('verify', () => {
  test('proves an export, and notices a file that does not belong to it', async () => {
    const { out } = await make(peft);
    const proved = await verifyExport(out);
    assert.equal(proved.parity.maxAbsLogitDiff, 0);
    assert.deepEqual(proved.strangers, []);
    writeFileSync(join(out, 'notes.txt'), 'mine');
    assert.deepEqual((await verifyExport(out)).strangers, ['notes.txt']);
  });

  test('finds one changed byte in any file, and a file that is cut short', async () => {
    for (const name of ['adapter_model.safetensors', 'base/config.json', 'README.md', 'parity.safetensors']) {
      const { out } = await make(peft);
      damage(join(out, name));
      await assert.rejects(verifyExport(out), (error) => {
        assert.ok(withCode('E_EXPORT_DAMAGED', 'checkpoint')(error));
        return (error as TristageError).where === join(out, name);
      });
    }
    const { out } = await make(peft);
    const file = join(out, 'base/model.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, -4));
    await assert.rejects(verifyExport(out), withCode('E_EXPORT_DAMAGED'));
  });

  test('does not believe hashes alone: other weights with right hashes answer otherwise', async () => {
    const { out, manifest } = await make(peft);
    const file = join(out, 'projector.safetensors');
    const tensors = await readSafetensors(file);
    const bias = tensors.get('llama_proj.bias')!;
    toFloat32(bias)[0] = 3;
    await writeSafetensors(file, tensors, { format: 'pt' });
    const bytes = readFileSync(file);
    const entry = manifest.files['projector.safetensors']!;
    entry.sha256 = sha256(bytes);
    await assert.rejects(
      (async () => {
        writeFileSync(join(out, 'manifest.json'), manifestText(manifest));
        await verifyExport(out);
      })(),
      (error) => withCode('E_EXPORT_DAMAGED')(error) && /llama_proj\.bias/.test((error as TristageError).where ?? ''),
    );
    entry.tensors!['llama_proj.bias']!.sha256 = sha256(bias.bytes);
    writeFileSync(join(out, 'manifest.json'), manifestText(manifest));
    await assert.rejects(verifyExport(out), withCode('E_EXPORT_PARITY', 'gate'));
  });
});

describe('a published language model', () => {
  test('stays where it is: the export names it by hash, and verify holds it to that', async () => {
    const published = join(folder, 'published');
    await mkdir(published);
    const { subject, ...rest } = tinyExport();
    const { weights, vocabulary } = subject;
    const names = [...llamaShapes(TINY.llm).keys()];
    const held = new Map(names.map((name) => [name, weights.get(name)!]));
    await writeLlamaFolder(published, { config: TINY.llm, vocabulary, weights: held });
    const file = join(published, 'model.safetensors');
    const bytes = readFileSync(file);
    const files = [{ name: 'model.safetensors', sha256: sha256(bytes), bytes: bytes.length }];
    const out = join(folder, 'outside');
    const outside = [{ part: 'llm' as const, path: published, files }];
    const manifest = await exportModel({ ...rest, subject: { ...subject, outside }, format: peft, options: {}, out });
    assert.equal(manifest.parity.maxAbsLogitDiff, 0);
    assert.equal(existsSync(join(out, 'base')), false);
    assert.equal(json(join(out, 'adapter_config.json')).base_model_name_or_path, published);
    assert.match(readFileSync(join(out, 'README.md'), 'utf8'), new RegExp(files[0]!.sha256));
    assert.equal((await verifyExport(out)).parity.maxAbsLogitDiff, 0);
    const moved = join(folder, 'moved.safetensors');
    writeFileSync(moved, bytes);
    damage(file);
    await assert.rejects(verifyExport(out), withCode('E_EXPORT_OUTSIDE', 'checkpoint'));
    assert.equal((await verifyExport(out, { llm: moved })).parity.maxAbsLogitDiff, 0);
  });
});
