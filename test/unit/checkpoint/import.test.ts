import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { importWeights, readWeights } from '../../../lib/checkpoint/import.ts';
import { readPeftConfig } from '../../../lib/checkpoint/peft.ts';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { fromFloat32, type HostTensor, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/formats/safetensors.ts';

const FIXTURES = fileURLToPath(new URL('../../parity/fixtures/', import.meta.url));

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-import-'));
});
after(() => rm(folder, { recursive: true }));

const tensor = (...values: number[]): HostTensor => fromFloat32(Float32Array.from(values), [values.length]);

/** A safetensors file of vectors. */
async function fileOf(name: string, tensors: Readonly<Record<string, HostTensor>>): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, new Map(Object.entries(tensors)));
  return path;
}

const shapes = (entries: Readonly<Record<string, number[]>>): Map<string, number[]> => new Map(Object.entries(entries));

/** Names and shapes of the adapter and projector of a recorded checkpoint, in memory spelling. */
function adapterShapes(layers: number, sizes: { rank: number; width: number }): Map<string, number[]> {
  const { rank, width } = sizes;
  const expected = new Map<string, number[]>();
  for (let layer = 0; layer < layers; layer++) {
    for (const target of ['q_proj', 'v_proj']) {
      const path = `llama_model.model.layers.${layer}.self_attn.${target}`;
      expected.set(`${path}.lora_A.weight`, [rank, width]);
      expected.set(`${path}.lora_B.weight`, [width, rank]);
    }
  }
  return expected;
}

describe('importing weights', () => {
  it('finds all adapters and the projector in a checkpoint that the reference wrote, and reports the rest', async () => {
    const path = join(FIXTURES, 'minigptv2-step/checkpoint_1.pth');
    const expected = adapterShapes(3, { rank: 4, width: 64 });
    expected.set('llama_proj.weight', [64, 384]).set('llama_proj.bias', [64]);
    const { tensors, report } = await readWeights({ path, expected });
    assert.equal(report.layout, 'minigptv2');
    assert.deepEqual(report.found, [...expected.keys()]);
    assert.deepEqual(
      report.ignored.map(({ key }) => key.split('.').slice(-2).join('.')),
      Array(3).fill('rotary_emb.inv_freq'),
    );
    assert.deepEqual([report.missing, report.unexpected, report.shapeMismatch, report.cast], [[], [], [], []]);
    const io = await readSafetensors(join(FIXTURES, 'minigptv2-step/io.safetensors'));
    for (const [name, found] of tensors) {
      const spelled = name
        .replace('llama_model.', 'llama_model.base_model.model.')
        .replace(/lora_([AB])\.weight/, 'lora_$1.default.weight');
      const want = io.get(`train_accum1.final.${spelled}`);
      assert.ok(want, spelled);
      assert.deepEqual(toFloat32(found), toFloat32(want));
    }
  });

  it('reads the same adapter from both files of PEFT and from its folder', async () => {
    const expected = adapterShapes(3, { rank: 4, width: 64 });
    const adapter = join(FIXTURES, 'lora/adapter');
    const read = async (path: string) => (await readWeights({ path, expected })).tensors;
    const one = await read(join(adapter, 'adapter_model.safetensors'));
    assert.equal(one.size, 12);
    assert.deepEqual(await read(join(adapter, 'adapter_model.bin')), one);
    assert.deepEqual(await read(adapter), one);
    assert.deepEqual(await readPeftConfig(adapter), {
      rank: 4,
      alpha: 8,
      dropout: 0,
      targets: ['q_proj', 'v_proj'],
      rslora: false,
      base: '',
    });
  });

  it('understands every spelling of the wrapped language model', async () => {
    const layer = 'layers.0.self_attn.q_proj';
    const spellings: [string, string][] = [
      [`llama_model.base_model.model.model.${layer}.base_layer.weight`, `llama_model.model.${layer}.weight`],
      [`llama_model.base_model.model.model.${layer}.weight`, `llama_model.model.${layer}.weight`],
      [`llama_model.model.${layer}.weight`, `llama_model.model.${layer}.weight`],
      [`base_model.model.model.${layer}.base_layer.weight`, `llama_model.model.${layer}.weight`],
      [`model.${layer}.weight`, `llama_model.model.${layer}.weight`],
      [`llama_model.base_model.model.model.${layer}.lora_A.weight`, `llama_model.model.${layer}.lora_A.weight`],
      [`llama_model.base_model.model.model.${layer}.lora_A.default.weight`, `llama_model.model.${layer}.lora_A.weight`],
      [`base_model.model.model.${layer}.lora_B.mine.weight`, `llama_model.model.${layer}.lora_B.weight`],
      ['llama_model.base_model.model.lm_head.0.weight', 'llama_model.lm_head.weight'],
      ['llama_model.base_model.model.lm_head.weight', 'llama_model.lm_head.weight'],
      ['patch_embed.proj.bias', 'visual_encoder.patch_embed.proj.bias'],
      ['visual_encoder.cls_token', 'visual_encoder.cls_token'],
    ];
    for (const [raw, name] of spellings) {
      const path = await fileOf('spelling.safetensors', { [raw]: tensor(1, 2) });
      const { report } = await readWeights({ path, expected: shapes({ [name]: [2] }) });
      assert.deepEqual(report.found, [name], raw);
    }
  });

  it('ignores what a published ViT holds beyond the model, with the reason, but not a block that the model has', async () => {
    const weights = {
      'blocks.38.norm1.bias': tensor(1),
      'blocks.39.norm1.bias': tensor(2),
      'norm.weight': tensor(3),
      'head.bias': tensor(4),
      'fc_norm.weight': tensor(5),
    };
    const path = await fileOf('eva.safetensors', weights);
    const expected = shapes({ 'visual_encoder.blocks.38.norm1.bias': [1] });
    const { report } = await readWeights({ path, expected });
    assert.deepEqual(report.ignored.map(({ key }) => key).sort(), Object.keys(weights).slice(1).sort());
    assert.ok(report.ignored.every(({ reason }) => reason.length > 0));
    const more = new Map([...expected, ['visual_encoder.blocks.39.norm1.bias', [1]] as const]);
    const deeper = await readWeights({ path, expected: more, vitDepth: 40 });
    assert.equal(deeper.report.found.length, 2);
  });

  it('names missing, unknown and misshapen weights, each as an error of its own', async () => {
    const path = await fileOf('wrong.safetensors', { 'llama_proj.bias': tensor(1, 2), 'llama_proj.wieght': tensor(3) });
    const both = shapes({ 'llama_proj.bias': [2], 'llama_proj.weight': [1] });
    const read = (expected: Map<string, number[]>, rest = {}) => readWeights({ path, expected, ...rest });
    await assert.rejects(read(both), { code: 'E_WEIGHT_MISSING', where: path, found: /llama_proj\.weight.*wieght/ });
    await assert.rejects(read(shapes({ 'llama_proj.bias': [2] })), {
      code: 'E_WEIGHT_UNKNOWN',
      found: 'llama_proj.wieght',
    });
    const ignore = (name: string) => name.endsWith('wieght');
    const shape = shapes({ 'llama_proj.bias': [3] });
    await assert.rejects(read(shape, { ignore }), { code: 'E_WEIGHT_SHAPE', found: 'llama_proj.bias [2], not [3]' });
    const accepted = await read(shape, { ignore, acceptShape: () => true });
    assert.deepEqual(accepted.tensors.get('llama_proj.bias')?.shape, [2]);
    const optional = (name: string) => name === 'llama_proj.weight';
    assert.deepEqual((await read(both, { optional, ignore })).report.missing, ['llama_proj.weight']);
  });

  it('loses no adapter when the file has none of the expected spelling', async () => {
    const path = await fileOf('lost.safetensors', {
      'llama_model.base_model.model.model.layers.0.self_attn.q_proj.loraA': tensor(1),
    });
    const expected = adapterShapes(1, { rank: 1, width: 1 });
    await assert.rejects(readWeights({ path, expected }), { code: 'E_WEIGHT_MISSING', found: /^0 of 4/ });
  });

  it('refuses two keys for one weight and weights of whole numbers', async () => {
    const twice = await fileOf('twice.safetensors', {
      'base_model.model.model.layers.0.self_attn.q_proj.lora_A.one.weight': tensor(1),
      'base_model.model.model.layers.0.self_attn.q_proj.lora_A.two.weight': tensor(1),
    });
    const name = 'llama_model.model.layers.0.self_attn.q_proj.lora_A.weight';
    await assert.rejects(readWeights({ path: twice, expected: shapes({ [name]: [1] }), ignore: () => true }), {
      code: 'E_WEIGHT_DUPLICATE',
      found: /one\.weight and .*two\.weight/,
    });
    const whole = await fileOf('whole.safetensors', {
      'llama_proj.bias': { dtype: 'I8', shape: [1], bytes: Uint8Array.of(1) },
    });
    const expected = shapes({ 'llama_proj.bias': [1] });
    await assert.rejects(readWeights({ path: whole, expected }), {
      code: 'E_WEIGHT_DTYPE',
      found: 'llama_proj.bias: I8',
    });
  });

  it('casts to one float dtype and says what it cast, or keeps the dtypes of the file', async () => {
    const half: HostTensor = { dtype: 'F16', shape: [2], bytes: Uint8Array.of(0, 0x3c, 0, 0xc0) };
    const path = await fileOf('half.safetensors', { 'llama_proj.bias': half });
    const expected = shapes({ 'llama_proj.bias': [2] });
    const { tensors, report } = await readWeights({ path, expected });
    assert.deepEqual(report.cast, [{ name: 'llama_proj.bias', from: 'F16', to: 'F32' }]);
    assert.deepEqual([...toFloat32(tensors.get('llama_proj.bias')!)], [1, -2]);
    const kept = await readWeights({ path, expected, dtype: 'keep' });
    assert.deepEqual([kept.tensors.get('llama_proj.bias'), kept.report.cast], [half, []]);
  });

  it('refuses names of no known program and folders without weights', async () => {
    const path = await fileOf('odd.safetensors', { 'transformer.wte.weight': tensor(1) });
    await assert.rejects(readWeights({ path, expected: new Map() }), {
      code: 'E_WEIGHT_LAYOUT',
      found: /transformer\.wte/,
    });
    await mkdir(join(folder, 'empty'));
    await assert.rejects(readWeights({ path: join(folder, 'empty'), expected: new Map() }), {
      code: 'E_WEIGHTS_FOLDER',
    });
    await assert.rejects(readWeights({ path: join(folder, 'absent'), expected: new Map() }), { code: 'E_FILE_READ' });
    await writeFile(join(folder, 'text.bin'), 'this is no file of weights');
    await assert.rejects(readWeights({ path: join(folder, 'text.bin'), expected: new Map() }), {
      code: 'E_SAFETENSORS',
    });
  });

  it('stops at the first tensor that its receiver refuses and lets go of the file', async () => {
    const path = await fileOf('stop.safetensors', { 'llama_proj.bias': tensor(1), 'llama_proj.weight': tensor(2) });
    const seen: string[] = [];
    const request = {
      path,
      expected: shapes({ 'llama_proj.weight': [1], 'llama_proj.bias': [1] }),
      onTensor: (name: string) => {
        seen.push(name);
        throw new Error('full');
      },
    };
    await assert.rejects(importWeights(request), /full/);
    assert.deepEqual(seen, ['llama_proj.weight']);
  });
});

describe('a folder of shards', () => {
  const NORM = 'model.norm.weight';
  const HEAD = 'lm_head.weight';
  const expected = shapes({ 'llama_model.model.norm.weight': [1], 'llama_model.lm_head.weight': [2] });

  async function shardedFolder(name: string, map: Readonly<Record<string, unknown>>): Promise<string> {
    await fileOf(`${name}/model-00001-of-00002.safetensors`, { [NORM]: tensor(1) });
    await fileOf(`${name}/model-00002-of-00002.safetensors`, { [HEAD]: tensor(2, 3) });
    const path = join(folder, name);
    await writeFile(
      join(path, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 12.5 }, weight_map: map }),
    );
    return path;
  }

  it('is read as one set of weights', async () => {
    const path = await shardedFolder('good', {
      [NORM]: 'model-00001-of-00002.safetensors',
      [HEAD]: 'model-00002-of-00002.safetensors',
    });
    const { tensors } = await readWeights({ path, expected });
    assert.deepEqual([...toFloat32(tensors.get('llama_model.lm_head.weight')!)], [2, 3]);
    const file = await openWeights(path);
    assert.match(file.entries.get(NORM)!.file, /00001-of-00002/);
    await file.close();
  });

  const wrong: [string, Readonly<Record<string, unknown>>, string][] = [
    [
      'a tensor that its file lacks',
      { [NORM]: 'model-00001-of-00002.safetensors', [HEAD]: 'model-00001-of-00002.safetensors' },
      'E_WEIGHTS_INDEX',
    ],
    ['a file that is absent', { [NORM]: 'model-00003-of-00002.safetensors' }, 'E_FILE_READ'],
    ['a path out of the folder', { [NORM]: '../good/model-00001-of-00002.safetensors' }, 'E_WEIGHTS_INDEX'],
    ['an index as file', { [NORM]: 'model.safetensors.index.json' }, 'E_WEIGHTS_INDEX'],
    ['a file name that is no text', { [NORM]: 5 }, 'E_WEIGHTS_INDEX'],
    ['no tensors', {}, 'E_WEIGHTS_INDEX'],
  ];
  for (const [what, map, code] of wrong) {
    it(`is refused with ${what} in its index`, async () => {
      const path = await shardedFolder(`bad-${code}-${what.length}`, map);
      await assert.rejects(readWeights({ path, expected }), { code });
    });
  }

  it('is refused when a file holds a tensor that the index does not place there', async () => {
    const path = await shardedFolder('stray', {
      [NORM]: 'model-00001-of-00002.safetensors',
      [HEAD]: 'model-00002-of-00002.safetensors',
    });
    await fileOf('stray/model-00001-of-00002.safetensors', { [NORM]: tensor(1), [HEAD]: tensor(9, 9) });
    await assert.rejects(readWeights({ path, expected }), { code: 'E_WEIGHTS_INDEX', found: /lm_head.*00001/ });
  });
});

describe('settings of a PEFT adapter', () => {
  it('are refused when they ask for maths that is not computed here, and tolerated otherwise', async () => {
    const path = join(folder, 'peft');
    await cp(join(FIXTURES, 'lora/adapter'), path, { recursive: true });
    const base = await readPeftConfig(path);
    const good = {
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 8,
      target_modules: ['q_proj'],
      use_rslora: true,
      loftq_config: { a: 1 },
    };
    const read = async (config: unknown) => {
      await writeFile(join(path, 'adapter_config.json'), JSON.stringify(config));
      return await readPeftConfig(path);
    };
    assert.equal((await read(good)).rslora, true);
    assert.equal(base.rslora, false);
    const changes = [
      { peft_type: 'IA3' },
      { r: 0 },
      { r: '4' },
      { lora_alpha: -1 },
      { lora_dropout: 1 },
      { target_modules: '.*q_proj' },
      { target_modules: [] },
      { use_dora: true },
      { bias: 'all' },
      { fan_in_fan_out: true },
      { modules_to_save: ['lm_head'] },
      { rank_pattern: { q_proj: 8 } },
      { use_rslora: 'yes' },
    ];
    for (const change of changes)
      await assert.rejects(read({ ...good, ...change }), { code: 'E_PEFT_CONFIG', kind: 'checkpoint' });
    await assert.rejects(read([]), { code: 'E_PEFT_CONFIG' });
    await writeFile(join(path, 'adapter_config.json'), '{');
    await assert.rejects(readPeftConfig(path), { code: 'E_PEFT_CONFIG' });
  });
});
