import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOrigin } from '../../../lib/config/tree.ts';
import { faults, resolveText, valid } from './vocabulary.ts';

const withLine = (line: string): string => valid.replace('{ source: captions, root: photos }', line);

test('another name of a source stands for the source with options of its own', () => {
  const { config, origins } = resolveText({ text: withLine('{ source: invquestions, root: q }') });
  const [line] = config.data.mixture.sources;
  assert.deepEqual([line?.source, line?.task, line?.['limit'], line?.root], ['questions', 'refer', 5, 'q']);
  assert.equal(describeOrigin(origins.get('data.mixture.sources.0.limit')!), 'preset invquestions');
});

test('what the line says wins over what its name stands for', () => {
  const { config } = resolveText({ text: withLine('{ source: invquestions, root: q, task: vqa, limit: 9 }') });
  const [line] = config.data.mixture.sources;
  assert.deepEqual([line?.task, line?.['limit']], ['vqa', 9]);
});

test('other names hold in evaluations too', () => {
  const text = `${valid}eval: { sources: [{ source: ask_all, root: q, task: vqa }] }\n`;
  assert.equal(resolveText({ text }).config.eval?.sources[0]?.source, 'questions');
});

test('a misspelt other name is a fault that names the right one', () => {
  const [fault] = faults({ text: withLine('{ source: invquestion, root: q }') });
  assert.equal(fault?.code, 'E_CONFIG_VALUE');
  assert.match(fault?.error.fix ?? '', /did you mean invquestions\?/);
});
