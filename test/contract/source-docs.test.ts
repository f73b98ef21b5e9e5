/** The code and the records in docs/how-to are run, so that they stay true. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { registry } from '../../bin/registry.ts';
import { jsonl } from '../../datasets/jsonl.ts';
import { textcaps } from '../../datasets/textcaps.ts';
import type { RowSource } from '../../lib/data/row-source.ts';
import { checkSample } from '../../lib/data/sample.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { writeContent, writePicture } from '../data/make/pictures.ts';
import { makeTextcaps } from '../data/make/text-in-images.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const first = (): number => 0;

/** The fenced blocks of a page, by their language. */
function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, 'docs/how-to', page), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap((match) =>
    match[1] === language ? [match[2] as string] : [],
  );
}

/** The code with the imports of this repository and its packages made absolute. */
function standalone(code: string, ownFile?: string): string {
  const own = code.replace(/from 'zod'/g, `from '${import.meta.resolve('zod')}'`);
  return own.replace(/from '((?:\.\.\/)+)([^']+)'/g, (_, dots: string, path: string) => {
    const folder = dots === '../../' ? 'test' : '.';
    const target = ownFile !== undefined && path === 'datasets/textcaps.ts' ? ownFile : join(ROOT, folder, path);
    return `from '${pathToFileURL(target).href}'`;
  });
}

/** An empty folder whose modules are modules. */
async function moduleFolder(): Promise<string> {
  const folder = temporaryFolder('tristage-docs-');
  await writeContent(join(folder, 'package.json'), { type: 'module' });
  return folder;
}

describe('docs/how-to/add-a-source.md', () => {
  const [source, check] = blocks('add-a-source.md', 'ts') as [string, string];

  test('the source of about twenty lines gives the samples of the one that ships', async () => {
    const folder = await moduleFolder();
    await writeContent(join(folder, 'textcaps.ts'), standalone(source));
    const own = ((await import(pathToFileURL(join(folder, 'textcaps.ts')).href)) as { textcaps: RowSource }).textcaps;
    await makeTextcaps(folder);
    const [short, shipped] = [
      await own.open({ root: folder }),
      await textcaps.open({ root: folder, text: 'verbatim' }),
    ];
    assert.ok(short.length > 0);
    assert.equal(short.length, shipped.length);
    for (let index = 0; index < short.length; index++) {
      assert.deepEqual(await short.get(index, first), await shipped.get(index, first));
    }
    const statements = source.split('\n').filter((line) => line.trim() !== '' && !/^(\/\/|import )/.test(line));
    assert.ok(statements.length <= 24, `${statements.length} lines`);
  });

  test('its test passes, on the short source and on the one that ships', async () => {
    const folder = await moduleFolder();
    await writeContent(join(folder, 'textcaps.ts'), standalone(source));
    await writeContent(join(folder, 'short.test.ts'), standalone(check, join(folder, 'textcaps.ts')));
    await writeContent(join(folder, 'shipped.test.ts'), standalone(check));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const files = ['short', 'shipped'].map((name) => join(folder, `${name}.test.ts`));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--test', '--test-reporter=tap', ...files],
      {
        cwd: ROOT,
        env,
      },
    );
    assert.match(stdout, /^# pass 2$/m);
  });
});

describe('docs/how-to/own-data.md', () => {
  test('its line of a run file is enough: records name their own task', async () => {
    const [line] = blocks('own-data.md', 'yaml') as [string];
    const file = join(temporaryFolder('tristage-docs-'), 'run.yaml');
    const base = join(ROOT, 'configs/quickstart/stage2.yaml');
    await writeContent(file, `version: 1\nextends: ${base}\n${line}`);
    const [run] = resolveAll([file], { registry });
    const [first] = run?.config.data.mixture.sources ?? [];
    assert.equal(first?.source, 'jsonl');
    assert.equal(first?.task, 'conversation');
  });

  test('its records are valid and become the samples that the page speaks of', async () => {
    const [records] = blocks('own-data.md', 'jsonl') as [string];
    const root = temporaryFolder('tristage-docs-');
    await writePicture(join(root, 'photos/1.jpg'), { width: 200, height: 100 });
    await writeContent(join(root, 'train.jsonl'), records);
    const opened = await jsonl.open({ root });
    assert.equal(opened.length, records.trim().split('\n').length);
    const samples = await Promise.all(Array.from({ length: opened.length }, (_, index) => opened.get(index, first)));
    for (const sample of samples) checkSample(sample);
    const tasks = ['vqa', 'caption', 'refer', 'identify', 'detection', 'conversation', 'text'];
    assert.deepEqual(
      samples.map(({ task }) => task),
      tasks,
    );
    assert.equal(samples[2]?.turns[0]?.answer, '{<10><10><50><50>}');
  });

  test('the keys of the record are those of the table, and the error is the one that is shown', async () => {
    const page = readFileSync(join(ROOT, 'docs/how-to/own-data.md'), 'utf8');
    for (const key of ['image', 'task', 'turns', 'boxes', 'unit', 'id'])
      assert.match(page, new RegExp(`^\\| \`${key}\` \\|`, 'm'));
    const root = temporaryFolder('tristage-docs-');
    await writePicture(join(root, 'a.jpg'));
    const turns = [{ question: 'the red one', answer: '<box:red>' }];
    await writeContent(join(root, 'train.jsonl'), JSON.stringify({ image: 'a.jpg', task: 'refer', turns }));
    await assert.rejects(jsonl.open({ root }), {
      code: 'E_RECORD',
      found: /train\.jsonl:1: turns\.0\.answer: no box is named red$/,
    });
    assert.match(page, /turns\.0\.answer: no box is named red$/m);
  });
});
