/** README.md of an export: what lies where, and the lines that load it elsewhere. */

import type { ExportFormat } from './format.ts';
import { type ExportManifest, exportedConfig } from './manifest.ts';

type ReadmeFormat = Pick<ExportFormat, 'summary' | 'usage' | 'transformers'>;

/** The text of the README. */
export function readmeText(manifest: ExportManifest, format: ReadmeFormat): string {
  const { name, stage, step, prompt, image, tasks, parity, outside, lineage, model, tokenizer } = manifest;
  const behind = lineage.map((run) => `${run.name} (${run.stage}, step ${run.step})`).join(' <- ');
  const published = outside.map(
    ({ part, path, files }) =>
      `- ${part === 'llm' ? 'the language model' : 'the vision tower'}: \`${path}\` (${files.map((file) => `${file.name}, SHA-256 ${file.sha256}`).join('; ')})`,
  );
  const lines = [
    `# ${name}, exported as ${manifest.format}`,
    '',
    `${format.summary}. Step ${step} of \`${stage}\`${lineage.length > 1 ? `; stages: ${behind}` : ''}.`,
    '',
    ...(published.length === 0
      ? []
      : ['Parts that are not in this folder, taken unchanged from published files:', '', ...published, '']),
    '## Load it',
    '',
    format.usage({ config: exportedConfig(manifest), outside, settings: manifest.settings }),
    '',
    '## Speak to it',
    '',
    `With an image: \`${prompt.begin}${prompt.image}\`; without: \`${prompt.begin}${prompt.text}\`. \`{text}\` begins with a task`,
    `identifier where the task has one: ${Object.values(tasks)
      .map((word) => `\`${word}\``)
      .join(', ')}. The answer ends with \`${prompt.end}\`.`,
    `The texts before and after \`{image}\` are tokenised apart, without special tokens, and ${prompt.imageTokens} image tokens stand between them.`,
    ...(tokenizer.pruned ? ['', prunedText(tokenizer.rows)] : []),
    ...(format.transformers === true ? ['', exampleText(manifest)] : []),
    '',
    `An image becomes ${image.size} x ${image.size} RGB pixels (\`${image.transform}\`, the aspect ratio is not kept), divided by 255, minus the mean`,
    `${image.mean.join(', ')}, divided by the deviation ${image.std.join(', ')}. The tower's tokens go through ln_vision, the first is`,
    `dropped, each ${model.join} neighbours are joined, and the projector maps them to the language model's width.`,
    '',
    '## Proof',
    '',
    `Read back, this export differed from the trained model by at most ${parity.maxAbsLogitDiff} in any logit (largest logit`,
    `${parity.maxAbsLogit.toFixed(2)}, ${parity.places} places, ${parity.engine}). \`parity.safetensors\` holds the inputs and the trained model's logits;`,
    '`tristage verify` on this folder checks every hash and compares again. `manifest.json` says all of this for programs.',
  ];
  return `${lines.join('\n')}\n`;
}

function prunedText(rows: number): string {
  return [
    `The model knows ${rows} pieces of LLaMA's tokenizer. tokenizer.json cuts a text as LLaMA does and gives these pieces the ids below`,
    `${rows}; an id from ${rows} on is a piece that the model does not know, and stands for the bytes of its text:`,
    '',
    '```python',
    'def known(tokenizer, text):',
    '    ids = tokenizer(text, add_special_tokens=False)["input_ids"]',
    '    one = tokenizer.convert_tokens_to_ids',
    `    byte = lambda c: [one("▁")] if c == "▁" else [one(f"<0x{b:02X}>") for b in c.encode()]`,
    `    return [n for i in ids for n in ([i] if i < ${rows} else sum(map(byte, tokenizer.convert_ids_to_tokens(i)), []))]`,
    '```',
  ].join('\n');
}

/** Lines that ask `model`, with the image of parity.safetensors in place of one that went through the tower and the projector. */
function exampleText({ prompt, tokenizer, tasks }: ExportManifest): string {
  const [before, after] = prompt.image
    .replace('{text}', `${tasks['caption']} please describe this image?`)
    .split('{image}');
  const ids = tokenizer.pruned ? 'known(tokenizer, text)' : 'tokenizer(text, add_special_tokens=False)["input_ids"]';
  return [
    '```python',
    'import torch',
    '',
    'def embed(text):',
    `    return model.get_input_embeddings()(torch.tensor(${ids}))`,
    '',
    'begin = model.get_input_embeddings()(torch.tensor([tokenizer.bos_token_id]))',
    '# [image tokens, width]: here the first image of the proof below; else projector(joined tokens of the tower)',
    'image = load_file(f"{folder}/parity.safetensors")["image_embeds"][0]',
    `message = torch.cat([begin, embed(${JSON.stringify(before)}), image, embed(${JSON.stringify(after)})])`,
    'with torch.no_grad():',
    '    answer = model.generate(inputs_embeds=message[None], max_new_tokens=40, do_sample=False)',
    'print(tokenizer.decode(answer[0], skip_special_tokens=True))',
    '```',
  ].join('\n');
}
