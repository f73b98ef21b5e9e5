import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { watchReads } from '../../../lib/core/read-progress.ts';
import { createJsonScanner, type JsonTarget } from '../../../lib/formats/json-scanner.ts';
import { jsonArrayItems, jsonKeys, jsonLines, jsonObjectEntries } from '../../../lib/formats/json-stream.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-json-'));
});
after(() => rm(folder, { recursive: true, force: true }));

let written = 0;
async function file(text: string | Uint8Array): Promise<string> {
  const path = join(folder, `${written++}.json`);
  await writeFile(path, text);
  return path;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** What a scanner finds in a text that comes in pieces of these sizes, over and over. */
function scanned(text: string, target: JsonTarget, sizes: readonly number[]): unknown[] {
  const scanner = createJsonScanner(target);
  const bytes = Buffer.from(text);
  const found: unknown[] = [];
  const add = (items: Iterable<{ key?: Buffer; bytes: Buffer; at: number }>): void => {
    for (const { key, bytes: own, at } of items) {
      assert.equal(bytes.toString('utf8', at, at + own.length), own.toString());
      const value = JSON.parse(own.toString());
      found.push(key === undefined ? value : [JSON.parse(key.toString()), value]);
    }
  };
  for (let at = 0, turn = 0; at < bytes.length && !scanner.done; turn++) {
    const size = sizes[turn % sizes.length] as number;
    add(scanner.feed(bytes.subarray(at, at + size)));
    at += size;
  }
  add(scanner.end());
  return found;
}

describe('the scanner', () => {
  const spaces = fc.constantFrom('', '  ', '\t');
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

  test('finds the items of any array however the file is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.json({ maxDepth: 3 }), { maxLength: 6 }), spaces, sizes, (items, space, cuts) => {
        const text = `${space}[${items.map((item) => `${space}${item}${space}`).join(',')}${space}]\n`;
        assert.deepEqual(scanned(text, { kind: 'array' }, cuts), JSON.parse(text));
      }),
    );
  });

  test('finds an array under its key behind other values, and the entries of an object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), sizes, (object, cuts) => {
        const indent = cuts.length % 3;
        const entries = Object.entries(JSON.parse(JSON.stringify(object)) as object);
        assert.deepEqual(scanned(JSON.stringify(object, null, indent), { kind: 'object' }, cuts), entries);
        assert.deepEqual(scanned(JSON.stringify(object, null, indent), { kind: 'keys' }, cuts), Object.keys(object));
        const { annotations: _, ...others } = object;
        const text = JSON.stringify({ ...others, annotations: [object, 1, 'x'], more: [{}] }, null, indent);
        const items = [object, 1, 'x'].map((item) => JSON.parse(JSON.stringify(item)) as unknown);
        // An integer as key would be moved to the front; what is looked for must still be found.
        assert.deepEqual(scanned(text, { kind: 'array', key: 'annotations' }, cuts), items);
      }),
    );
  });

  test('finds the lines of a JSONL file, empty ones passed over, the last without a newline', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json(), { maxLength: 5 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        sizes,
        (lines, end, cuts) => {
          const values = lines.map((line) => JSON.parse(line) as unknown);
          assert.deepEqual(scanned(lines.join(end), { kind: 'lines' }, cuts), values);
        },
      ),
    );
  });
});

describe('JSON files', () => {
  test('items, entries, keys and lines are read from files, behind a byte order mark too', async () => {
    const object = await file('\uFEFF{"info":{"annotations":[0]},"annotations":[{"a":1},2],"x":3}');
    assert.deepEqual(await all(jsonArrayItems(object, { key: 'annotations' })), [{ a: 1 }, 2]);
    assert.deepEqual(await all(jsonObjectEntries(object, { key: 'info' })), [['annotations', [0]]]);
    assert.deepEqual(await jsonKeys(object), ['info', 'annotations', 'x']);
    assert.equal(await jsonKeys(await file(' \n[1]')), undefined);
    assert.deepEqual(await all(jsonLines(await file('\uFEFF1\n{"a":2}'))), [1, { a: 2 }]);
    assert.deepEqual(await all(jsonLines(await file(''))), []);
  });

  const refused: readonly [what: string, text: string, found: RegExp][] = [
    ['nothing', '', /end of the file at byte 0/],
    ['another structure', '{"a":[1]}', /"\{" at byte 0/],
    ['an early end', '[1, {"a": 2}', /end of the file at byte 12/],
    ['an early end within an item', '[1, {"a": 2', /end of the file/],
    ['a comma before the end', '[1, ]', /"\]" at byte 4/],
    ['a missing comma', '[{} {}]', /"\{" at byte 4/],
    ['an item that is no JSON', '[1, nonsense]', /at byte 4/],
    ['an item with an open quote', '[1, {"a]', /end of the file/],
  ];
  for (const [what, text, found] of refused) {
    test(`${what} is refused with its place`, async () => {
      const path = await file(text);
      await assert.rejects(all(jsonArrayItems(path)), (error: { code: string; where: string; found: string }) => {
        assert.deepEqual([error.code, error.where], ['E_JSON', path]);
        assert.match(error.found, found);
        return true;
      });
    });
  }

  test('a missing key, a value of another kind under it, a bad line and a missing file are refused', async () => {
    const path = await file('{"annotations": {"a": 1}, "b": 2}');
    await assert.rejects(all(jsonArrayItems(path, { key: 'c' })), {
      code: 'E_JSON',
      expected: 'an array under the key "c"',
    });
    await assert.rejects(all(jsonArrayItems(path, { key: 'annotations' })), { code: 'E_JSON' });
    const lines = await file('{}\n{"a":\n');
    await assert.rejects(all(jsonLines(lines)), { code: 'E_JSON', where: lines });
    const absent = join(folder, 'absent.json');
    // One after the other: a reading that fails while nobody waits for it would end the test.
    const readings = [() => all(jsonArrayItems(absent)), () => jsonKeys(absent), () => all(jsonLines(absent))];
    for (const reading of readings) {
      await assert.rejects(reading, { code: 'E_FILE_READ', kind: 'data', where: absent });
    }
  });

  test('an item without an end is refused before it fills the memory', async () => {
    const path = await file(
      Buffer.concat([Buffer.from('["'), Buffer.alloc((64 << 20) + (2 << 20), 'x'), Buffer.from('"]')]),
    );
    await assert.rejects(all(jsonArrayItems(path)), { code: 'E_JSON', expected: 'smaller items' });
    const line = await file(Buffer.alloc((64 << 20) + (2 << 20), 'x'));
    await assert.rejects(all(jsonLines(line)), { code: 'E_JSON', expected: 'shorter lines' });
  });

  test('whoever watches hears how far a file is read', async () => {
    const text = JSON.stringify(Array.from({ length: 300_000 }, (_, place) => ({ place })));
    const path = await file(text);
    const heard: [string, number][] = [];
    await watchReads(
      (name, position) => heard.push([name, position]),
      () => all(jsonArrayItems(path)),
    );
    assert.ok(heard.length > 2);
    assert.deepEqual(heard.at(-1), [path, text.length]);
  });
});
