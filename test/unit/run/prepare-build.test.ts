import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { SOURCES } from '../../../datasets/index.ts';
import { createLogger } from '../../../lib/core/log.ts';
import { runPrepare } from '../../../lib/run/prepare.ts';
import { makeCocoCaption } from '../../data/make/coco-caption.ts';
import { writeContent } from '../../data/make/pictures.ts';
import { miniatureInstances } from '../../data/make/refer.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let root: string;
before(async () => {
  root = temporaryFolder('tristage-prepare-build-');
  await makeCocoCaption(join(root, 'coco'));
  await writeContent(join(root, 'coco/annotations/instances_train2017.json'), miniatureInstances());
});

let runs = 0;
function prepared(source: string, { build, set = [] }: { build?: string; set?: string[] } = {}) {
  return runPrepare({
    source,
    root,
    set,
    out: join(root, `index-${runs++}`),
    build,
    verify: 'headers',
    registry: { sources: SOURCES, stages: [] },
    logger: createLogger({ level: 'error' }),
  });
}

describe('prepare --build', () => {
  test('the file is made with its own options, then read and indexed', async () => {
    const build = join(root, 'multi_task_conversation.json');
    const { rows, rejected } = await prepared('multitask_conversation', {
      build,
      set: ['turns=2', 'photos=3', 'missing=0'],
    });
    assert.deepEqual([rows, rejected], [3, 0]);
    const made = JSON.parse(await readFile(build, 'utf8')) as { conversations: unknown[] }[];
    assert.deepEqual(
      made.map(({ conversations }) => conversations.length),
      [4, 4, 4],
    );
    assert.equal((await prepared('multitask-conversation')).rows, 3);
  });

  test('a source that makes no files says so, and options of the making need it', async () => {
    await assert.rejects(prepared('coco-caption', { build: join(root, 'x.json') }), { code: 'E_USAGE' });
    await assert.rejects(prepared('multitask-conversation', { set: ['turns=2'] }), {
      code: 'E_USAGE',
      message: /turns/,
    });
    await assert.rejects(prepared('multitask-conversation', { build: join(root, 'x.json'), set: ['turn=2'] }), {
      code: 'E_USAGE',
      fix: /turns/,
    });
  });
});
