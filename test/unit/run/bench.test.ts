/** The parts of `tristage bench` that do not measure: pairing, spread, and the line protocol with a side. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { measurePaired, spreadOf } from '../../../lib/run/bench/paired.ts';
import { startPeer } from '../../../lib/run/bench/peer.ts';

const ECHO = `
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    if (command.do === 'die') { console.error('out of luck'); process.exit(3); }
    console.log(command.do === 'mumble' ? 'hm' : JSON.stringify({ twice: command.value * 2 }));
  });`;

describe('bench', () => {
  test('the median of an even number of values lies between the middle two', () => {
    assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
    assert.deepEqual(spreadOf([5]), { median: 5, min: 5, max: 5 });
  });

  test('both sides take turns, and the ratio is theirs divided by ours, round by round', async () => {
    const turns: string[] = [];
    const side = (name: string, seconds: number[]) => async () => {
      turns.push(name);
      return [seconds.shift()!];
    };
    const result = await measurePaired({ rounds: 3, ours: side('a', [1, 2, 4]), theirs: side('b', [2, 6, 4]) });
    assert.deepEqual(turns, ['a', 'b', 'a', 'b', 'a', 'b']);
    assert.deepEqual(result.ratio, { median: 2, min: 1, max: 3 });
    assert.equal(result.ours.median, 2);
    assert.equal(result.theirs.median, 4);
  });

  test('a side answers commands in order and ends when asked to', async () => {
    const peer = startPeer('echo', [process.execPath, '-e', ECHO]);
    assert.deepEqual(await peer.ask({ do: 'double', value: 4 }), { twice: 8 });
    assert.deepEqual(await peer.ask({ do: 'double', value: 5 }), { twice: 10 });
    await peer.close();
  });

  test('a side that dies, answers no JSON or does not start is a coded error with its last words', async () => {
    const isPeerError = (pattern: RegExp) => (error: unknown) =>
      error instanceof TristageError && error.code === 'E_BENCH_PEER' && pattern.test(error.found ?? '');
    const dying = startPeer('echo', [process.execPath, '-e', ECHO]);
    await assert.rejects(dying.ask({ do: 'die' }), isPeerError(/out of luck/));
    const mumbling = startPeer('echo', [process.execPath, '-e', ECHO]);
    await assert.rejects(mumbling.ask({ do: 'mumble' }), isPeerError(/hm/));
    await mumbling.close();
    const absent = startPeer('absent', ['/nonexistent/program']);
    await assert.rejects(absent.ask({ do: 'double' }), isPeerError(/ENOENT/));
  });
});
