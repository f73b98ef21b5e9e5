import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { type UnpickleOptions, unpickle } from '../../../lib/formats/pickle.ts';
import { torchGlobals } from '../../../lib/formats/torch-pickle.ts';
import { bytesOf, le, pickleOf, push } from './torch-bytes.ts';

const options: UnpickleOptions = { where: 'x.pkl', globals: torchGlobals('x.pkl') };
const read = (bytes: Uint8Array): unknown => unpickle(bytes, options).value;
const value = (...parts: (string | number | Uint8Array)[]): unknown => read(pickleOf(bytesOf(...parts)));

function refused(bytes: Uint8Array, code = 'E_PICKLE', pattern = /./): void {
  assert.throws(
    () => read(bytes),
    (error: unknown) => {
      assert.ok(error instanceof TristageError, String(error));
      assert.equal(error.code, code);
      assert.equal(error.kind, 'checkpoint');
      assert.match(`${error.message} ${error.found} ${error.expected}`, pattern);
      return true;
    },
  );
}

describe('pickles of plain data', () => {
  it('give numbers of every spelling', () => {
    assert.equal(value('K', 200), 200);
    assert.equal(value('M', le(40_000, 2)), 40_000);
    assert.equal(value(push.int(-5)), -5);
    assert.equal(value('I-12\n'), -12);
    assert.equal(value('L123L\n'), 123);
    assert.equal(value('I01\n'), true);
    assert.equal(value('I00\n'), false);
    assert.equal(value(0x8a, 0), 0);
    assert.equal(value(0x8a, 2, 0x00, 0xff), -256);
    assert.equal(value(0x8b, le(9, 4), le(0, 8), 1), 2n ** 64n);
    assert.equal(value('F-1.5e3\n'), -1500);
    assert.equal(value('Finf\n'), Number.POSITIVE_INFINITY);
    assert.equal(value('G', Buffer.from('3ff8000000000000', 'hex')), 1.5);
    assert.deepEqual([value('N'), value(0x88), value(0x89)], [null, true, false]);
  });

  it('give texts of Python 2 and 3 and bytes', () => {
    assert.equal(value(push.text('ü☃')), 'ü☃');
    assert.equal(value("S'a\\x41\\n\\'\\\\\\101'\n"), "aA\n'\\A");
    assert.equal(value('U', 2, 0xfc, 0x41), 'üA');
    assert.equal(value('T', le(1, 4), 0xe9), 'é');
    assert.equal(value('Va\\u2603\xfc\n'), 'a☃ü');
    assert.equal(value('V\\U0001F600\n'), '😀');
    assert.deepEqual(value('C', 2, 1, 2), Uint8Array.of(1, 2));
    assert.equal(value(0x8c, 1, 'a'), 'a');
    const utf8 = unpickle(bytesOf('U', 2, 0xc3, 0xbc, '.'), { ...options, byteStrings: 'utf-8' });
    assert.equal(utf8.value, 'ü');
  });

  it('give containers of every opcode, shared where the pickle shares them', () => {
    assert.deepEqual(value('(K', 1, 'K', 2, 'l'), [1, 2]);
    assert.deepEqual(value(']K', 1, 'aK', 2, 'a'), [1, 2]);
    assert.deepEqual(value('(K', 1, 'K', 2, 'd'), new Map([[1, 2]]));
    assert.deepEqual(value('}K', 1, 'K', 2, 's'), new Map([[1, 2]]));
    assert.deepEqual(value('K', 1, 0x85), [1]);
    assert.deepEqual(value('K', 1, 'K', 2, 'K', 3, 0x87), [1, 2, 3]);
    assert.deepEqual(value(0x8f, '(K', 1, 'K', 1, 0x90), new Set([1]));
    assert.deepEqual(value('(K', 1, 0x91), new Set([1]));
    const [one, two] = value(']q', 0, '0](h', 0, 'h', 0, 'e') as [unknown, unknown];
    assert.equal(one, two);
    assert.deepEqual(value('(K', 1, '1K', 2), 2);
  });

  it('end where the next one begins', () => {
    const two = bytesOf(pickleOf(push.int(1)), pickleOf(push.int(2)));
    const first = unpickle(two, options);
    assert.deepEqual([first.value, unpickle(two, { ...options, start: first.end }).value], [1, 2]);
  });

  it('give scalars of numpy, and ordered dicts with their attributes left out', () => {
    const dtype = bytesOf(
      push.call(push.global('numpy', 'dtype'), push.text('f8'), Buffer.of(0x89), Buffer.of(0x88)),
      push.tuple(push.int(3), push.text('<'), Buffer.from('NNN'), push.int(-1), push.int(-1), push.int(0)),
      'b',
    );
    const raw = Buffer.alloc(8);
    raw.writeDoubleLE(0.1);
    for (const module of ['numpy.core.multiarray', 'numpy._core.multiarray']) {
      assert.equal(value(push.call(push.global(module, 'scalar'), dtype, bytesOf('C', 8, raw))), 0.1);
    }
    const ordered = push.call(
      push.global('collections', 'OrderedDict'),
      push.list(push.tuple(push.int(1), push.int(2))),
    );
    assert.deepEqual(value(ordered, push.dict(push.text('_metadata'), push.int(0)), 'b'), new Map([[1, 2]]));
  });
});

describe('hostile pickles', () => {
  const outside: [string, string][] = [
    ['os', 'system'],
    ['posix', 'system'],
    ['nt', 'system'],
    ['builtins', 'eval'],
    ['builtins', 'exec'],
    ['builtins', 'getattr'],
    ['__builtin__', 'apply'],
    ['subprocess', 'Popen'],
    ['torch.hub', 'load'],
    ['torch', 'load'],
    ['torch.storage', '_load_from_bytes'],
    ['torch._utils', '_rebuild_tensor_v2.__globals__'],
    ['torch._utils', ''],
    ['collections', 'OrderedDict.fromkeys'],
    ['numpy', 'load'],
    ['numpy.core.multiarray', '_reconstruct'],
    ['functools', 'partial'],
    ['copyreg', '_reconstructor'],
    ['argparse', 'Namespace'],
    ['', ''],
    ['__proto__', 'constructor'],
  ];
  for (const [module, name] of outside) {
    it(`are refused by the name ${module}.${name}, in both opcodes`, () => {
      const pattern = new RegExp(`${module}.${name}`.replaceAll('.', '\\.'));
      refused(pickleOf(push.call(push.global(module, name), push.text('true'))), 'E_PICKLE_GLOBAL', pattern);
      refused(pickleOf(bytesOf(push.text(module), push.text(name), 0x93)), 'E_PICKLE_GLOBAL', pattern);
    });
  }

  it('are refused for opcodes that build objects otherwise, and for unknown ones', () => {
    for (const code of [0x69, 0x6f, 0x82, 0x83, 0x84, 0x92, 0x96, 0x97, 0x98, 0x00, 0xff]) {
      refused(pickleOf(bytesOf(code, 'os\nsystem\n')), 'E_PICKLE', /opcode/);
    }
  });

  it('are refused for calls of values and states of plain objects', () => {
    refused(pickleOf(push.call(push.global('torch', 'float16'), push.int(1))), 'E_PICKLE', /torch\.float16/);
    refused(pickleOf(bytesOf('}', ')', 'R')), 'E_PICKLE');
    refused(pickleOf(bytesOf('}', '}', 'b')), 'E_PICKLE', /state/);
    refused(pickleOf(bytesOf(push.text('id'), 'Q')), 'E_PICKLE', /outside/);
    refused(bytesOf('Pid\n.'), 'E_PICKLE', /outside/);
  });

  it('are refused when they work on a stack or memo that does not hold what they need', () => {
    for (const code of '012aetlduseb)RQ.qj'.split('').filter((letter) => letter !== ')')) {
      refused(bytesOf(0x80, 2, code, le(7, 8)), 'E_PICKLE');
    }
    refused(bytesOf('(.'));
    refused(bytesOf('K', 1, 'K', 2, '.'), 'E_PICKLE', /left over/);
    refused(bytesOf(')K', 1, 'a.'), 'E_PICKLE');
    refused(bytesOf('}(K', 1, 'u.'), 'E_PICKLE');
    refused(bytesOf('}]K', 1, 's.'), 'E_PICKLE');
    refused(bytesOf('h', 3, '.'), 'E_PICKLE', /memo/);
    refused(bytesOf('(q', 0, '.'), 'E_PICKLE');
  });

  it('are refused for sizes that lie, without taking memory', () => {
    for (const code of ['X', 'T', 'B']) refused(bytesOf(code, le(0xffffffff, 4), 'a.'), 'E_PICKLE', /ends early/);
    for (const code of [0x8d, 0x8e]) {
      refused(bytesOf(code, le(2n ** 63n, 8), 'a.'), 'E_PICKLE', /ends early/);
      refused(bytesOf(code, le(100, 8), 'a.'), 'E_PICKLE', /ends early/);
    }
    refused(bytesOf(0x8b, le(0xffffffff, 4), 'a.'), 'E_PICKLE');
    refused(bytesOf(0x8b, le(300, 4), Buffer.alloc(300), '.'), 'E_PICKLE', /too long/);
    refused(bytesOf('L', '9'.repeat(10_000), '\n.'), 'E_PICKLE');
    refused(bytesOf('r', le(1, 4)), 'E_PICKLE');
    refused(bytesOf('S"a\n.'), 'E_PICKLE', /quotes/);
    refused(bytesOf('Fabc\n.'), 'E_PICKLE');
    refused(bytesOf('F\n.'), 'E_PICKLE');
    refused(bytesOf('I1e3\n.'), 'E_PICKLE');
    refused(bytesOf('I5'), 'E_PICKLE');
    refused(bytesOf(0x80, 5, 'N.'), 'E_PICKLE', /protocol/);
    refused(bytesOf('X', le(1, 4), 0xff, '.'), 'E_PICKLE', /UTF-8/);
    refused(new Uint8Array(0));
  });

  it('are refused beyond the limits of operations and objects', () => {
    const limits = { bytes: 1000, operations: 100, objects: 10 };
    const tight = (bytes: Uint8Array) => () => unpickle(bytes, { ...options, limits });
    assert.throws(tight(bytesOf('N0'.repeat(60), 'N.')), { code: 'E_PICKLE', message: /too large/ });
    assert.throws(tight(bytesOf(']0'.repeat(20), 'N.')), { code: 'E_PICKLE', message: /too large/ });
    assert.throws(tight(bytesOf('B', le(2000, 4), Buffer.alloc(2000), '.')), {
      code: 'E_PICKLE',
      message: /too large/,
    });
    assert.equal(tight(bytesOf('N0'.repeat(20), 'N.'))().value, null);
  });

  it('are refused when they ask for the same copy again and again', () => {
    const pairs = Array.from({ length: 50_000 }, (_, i) => bytesOf(push.int(i), 'N', 0x86));
    const once = bytesOf('](', ...pairs, 'eq', 0);
    const again = (callee: Uint8Array) => bytesOf(callee, '(h', 0, 'tR0').toString('latin1').repeat(1000);
    for (const callee of [push.global('collections', 'OrderedDict'), push.global('builtins', 'set')]) {
      refused(bytesOf(once, again(callee), '.'), 'E_PICKLE', /too large/);
    }
    const text = bytesOf(push.text('x'.repeat(1 << 20)), 'q', 0, '0');
    const encode = bytesOf(push.global('_codecs', 'encode'), '(h', 0, push.text('latin1'), 'tR0').toString('latin1');
    refused(bytesOf(text, encode.repeat(1000), 'N.'), 'E_PICKLE', /too large/);
    refused(bytesOf(text, push.global('torch', 'device'), '(h', 0, 'tR.'), 'E_TORCH_FILE', /device/);
  });

  it('never end in anything but a value or a coded error, for random bytes and for damaged good ones', () => {
    const random = randomStream(21);
    const good = pickleOf(
      push.dict(
        push.text('a'),
        push.list(push.int(1), push.tuple(push.int(2))),
        push.text('b'),
        bytesOf('G', Buffer.alloc(8)),
      ),
    );
    for (let i = 0; i < 4000; i++) {
      const own = random.child(i);
      const bytes =
        i % 2 === 0
          ? Uint8Array.from({ length: 1 + own.integer(0, 60) }, (_, at) => own.integer(at + 1, 256))
          : Uint8Array.from(good, (byte, at) => (own.integer(at, 12) === 0 ? own.integer(at + 500, 256) : byte));
      try {
        read(bytes);
      } catch (error) {
        assert.ok(error instanceof TristageError, `${Buffer.from(bytes).toString('hex')}: ${String(error)}`);
      }
    }
  });
});
