/** `tristage inspect` as a user meets it: what stands on stdout, and what it refuses. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { CliOutcome } from './cli-child.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const child = fork(join(import.meta.dirname, 'cli-child.ts'), { execArgv: ['--import', 'tsx'], cwd: ROOT });
after(() => child.disconnect());

function commandLine(...args: string[]): Promise<CliOutcome> {
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('message', (outcome: CliOutcome) => {
      child.removeListener('error', fail);
      done(outcome);
    });
    child.send({ args: ['inspect', ...args], env: { NO_COLOR: '1' } });
  });
}

const file = 'configs/quickstart/stage2.yaml';

test('prints texts, or one JSON document, or writes a page', async () => {
  const html = join(temporaryFolder('tristage-inspect-'), 'page.html');
  const texts = await commandLine(file, '--n', '2');
  assert.match(texts.stdout, /#2 emoji-scenes.*\n {2}\[INST\].*\n {2}-> /);
  const { status, stdout } = await commandLine(file, '--n', '2', '--html', html, '--json');
  assert.equal(status, 0);
  const result = JSON.parse(stdout) as { ok: boolean; html: string; rows: { samples: { tokens: unknown[] }[] }[] };
  assert.deepEqual([result.ok, result.html, existsSync(html)], [true, html, true]);
  assert.equal(result.rows.flatMap(({ samples }) => samples).length, 2);
  assert.ok(!stdout.includes('data:image'));
});

test('needs a run file or a run, not both, and says how the option is spelled that was meant', async () => {
  for (const args of [[], [file, '--ledger', 'runs'], ['--ledger', 'no/such/run'], ['--ledger', 'x', '--html', 'y']]) {
    assert.equal((await commandLine(...args)).status, 2, args.join(' '));
  }
  const { status, stdout } = await commandLine(file, '--source', 'emoji', '--json');
  assert.equal(status, 2);
  assert.match(stdout, /did you mean emoji-scenes/);
});
