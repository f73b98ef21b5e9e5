/** What docs/sources.md says of folders and names. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { SOURCES } from '../../../datasets/index.ts';
import { decodeImage } from '../../../lib/data/image.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeTaskData, TASK_ROOTS } from '../../data/make/task-data.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { drawing, opened } from './open-source.ts';

const DOCS = readFileSync(resolve(import.meta.dirname, '../../../docs/sources.md'), 'utf8');

test('in the layout of the docs every source finds all its files with no options but its root, in each of its tasks', async () => {
  const data = temporaryFolder('tristage-layout-');
  await makeTaskData(data);
  for (const [name, folder] of Object.entries(TASK_ROOTS)) {
    const source = SOURCES.find((one) => one.name === name);
    assert.ok(source, name);
    assert.match(DOCS, new RegExp(`\\n      ${folder}/ `));
    for (const task of source.tasks) {
      const { notes } = await source.open({ root: join(data, folder), task });
      assert.deepEqual(notes, []);
      for (const sample of await opened(source, { root: join(data, folder), task })) {
        assert.equal(sample.task, task);
        checkSample(sample);
        await decodeImage(sample.image as { path: string });
      }
    }
  }
});

test('the same draws give the same sample, other draws another wording', async () => {
  const data = temporaryFolder('tristage-layout-');
  await makeTaskData(data);
  for (const [name, folder] of Object.entries(TASK_ROOTS)) {
    const source = await SOURCES.find((one) => one.name === name)?.open({ root: join(data, folder) });
    const [one, again] = [await source?.get(1, drawing(1, 1)), await source?.get(1, drawing(1, 1))];
    assert.deepEqual(again, one);
    assert.notDeepEqual(await source?.get(1, drawing(0, 0)), one, name);
  }
});

test('the docs list every source with its other names', () => {
  for (const { name, aliases = {} } of SOURCES.filter((source) => source.embedded !== true)) {
    for (const word of [name, ...Object.keys(aliases)]) assert.ok(DOCS.includes(`\`${word}\``), word);
  }
});
