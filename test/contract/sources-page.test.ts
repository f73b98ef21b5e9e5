/** docs/sources.md: every source has its row, every name of it is there, and its commands work on the miniatures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { SOURCES } from '../../datasets/index.ts';
import { runPrepare } from '../../lib/run/prepare.ts';
import { makeAll } from '../data/make/all.ts';
import { makeCocoInstances } from '../data/make/coco-instances.ts';
import { makeJsonl } from '../data/make/jsonl.ts';
import { makeWebdataset } from '../data/make/webdataset.ts';
import { keptLines } from '../e2e/tiny-scenes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PAGE = readFileSync(resolve(import.meta.dirname, '../../docs/sources.md'), 'utf8');

/** Rows of the tables whose first cell is a name in backticks: name, names in the original, counts, licences and so on. */
const ROWS = [...PAGE.matchAll(/^\| `([^`]+)`\s*\|(.*)\|$/gm)].map(([, name = '', rest = '']) => {
  const cells = rest.split('|').map((cell) => cell.trim());
  return { name, cells, names: [...(cells[0] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] as string) };
});
/** Own data has neither publisher nor original. */
const PUBLISHED = ROWS.filter(({ cells }) => cells.length > 1);

const CODE = PAGE.match(/(?:^ {4}.*\n)+/gm) ?? [];
const COMMANDS = CODE.flatMap((block) => block.replace(/\\\n\s+/g, '').match(/tristage prepare .*/g) ?? []);

test('every registered source has its row in one table, and every row is of one', () => {
  const known = SOURCES.map(({ name }) => name).sort();
  assert.deepEqual(ROWS.map(({ name }) => name).sort(), known);
});

test('every other name of a source is on the page, and every name that a table gives can be written in a run file', () => {
  for (const { name, aliases = {} } of SOURCES) {
    for (const alias of Object.keys(aliases)) assert.ok(PAGE.includes(`\`${alias}\``), `${name}: ${alias}`);
  }
  for (const { name, names } of PUBLISHED) {
    const aliases = SOURCES.flatMap((source) => [source.name, ...Object.keys(source.aliases ?? {})]);
    assert.deepEqual(
      names.filter((one) => !aliases.includes(one)),
      [],
      name,
    );
  }
});

test('every published source has counts, a licence, a title with its publisher, a folder and a line for a run file', () => {
  assert.equal(PUBLISHED.length, SOURCES.length - 3);
  for (const { name, cells } of PUBLISHED) {
    assert.ok(cells.length >= 3 && cells.every((cell) => cell !== ''), `${name}: ${cells}`);
    const plain = name.replace('+', '\\+');
    const [section] =
      new RegExp(`^\\*\\*[^*\\n]*\\b${plain}(?![\\w-])[\\s\\S]*?(?=\\n\\*\\*|\\n## )`, 'm').exec(PAGE) ?? [];
    assert.ok(section !== undefined, `${name}: no section`);
    assert.match(section, /^ +- \{ source: /m, name);
  }
});

test('every command works on a miniature of what is published, and each source that has files has one', async () => {
  const folder = temporaryFolder('tristage-page-');
  const data = join(folder, 'data');
  await makeAll(data);
  await makeCocoInstances(join(data, 'coco'));
  await makeJsonl(join(data, 'own'));
  await makeWebdataset(join(data, 'own-tars'));
  const prepared = new Set<string>();
  for (const command of COMMANDS) {
    const [, , source = '', ...rest] = command.split(/\s+/);
    const options = new Map<string, string>();
    for (let place = 0; place < rest.length; place += 2) options.set(rest[place] ?? '', rest[place + 1] ?? '');
    const path = (flag: string): string => join(folder, options.get(flag) ?? '');
    const set = options.get('--set');
    const done = await runPrepare({
      source,
      root: path('--root'),
      out: path('--out'),
      set: set === undefined ? [] : [set],
      build: options.has('--build') ? path('--build') : undefined,
      verify: 'headers',
      registry,
      logger: keptLines().logger,
    });
    assert.ok(done.rows > 0, command);
    prepared.add(done.source);
  }
  const withFiles = SOURCES.map(({ name }) => name).filter((name) => name !== 'emoji-scenes');
  assert.deepEqual([...prepared].sort(), withFiles.sort());
});
