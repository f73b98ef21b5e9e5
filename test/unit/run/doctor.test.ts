/** What `tristage doctor` and `tristage setup` say, and which Node.js versions they accept. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DoctorReport } from '../../../lib/run/doctor.ts';
import { renderDoctor } from '../../../lib/run/doctor-text.ts';
import { satisfies, thisPlatform } from '../../../lib/run/platform.ts';
import { renderSetup } from '../../../lib/run/setup.ts';

const REPORT: DoctorReport = {
  platform: { system: 'linux', arch: 'x64', node: 'v22.12.0', tested: true, nodeSupported: true },
  processors: 2,
  nvidia: false,
  compiler: { path: 'g++', version: 'g++ 12.2.0' },
  pip: null,
  cache: '/somewhere/cache',
  engines: [
    {
      name: 'torch',
      works: true,
      version: '2.15.0',
      device: 'cpu',
      threads: 2,
      dir: '/somewhere/torch',
      gflops: 120.4,
      stepMs: 2.31,
    },
    { name: 'tensorflow', works: false, code: 'E_ENGINE_MISSING', reason: 'not set up' },
  ],
  auto: 'torch',
  images: { sharp: '0.35.5', libvips: '8.18.7', threads: 1, images: 4 },
  findings: [
    { level: 'advice', finding: 'engine tensorflow: not set up', cure: 'tristage setup --engine tensorflow' },
    { level: 'problem', finding: 'something is broken', cure: 'mend it' },
  ],
  ok: true,
};

describe('doctor', () => {
  test('names version, device, threads and both figures of an engine that works', () => {
    const text = renderDoctor(REPORT);
    assert.match(text, /torch +works +2\.15\.0 on cpu, 2 threads, matmul 120 GFLOP\/s, small training step 2\.3 ms/);
    assert.match(text, /auto +torch/);
    assert.match(text, /ready to train$/);
  });

  test('names the code and the reason of an engine that does not, and every cure', () => {
    const text = renderDoctor({ ...REPORT, ok: false, auto: null });
    assert.match(text, /tensorflow +not usable +E_ENGINE_MISSING: not set up/);
    assert.match(text, /advice: engine tensorflow: not set up\n {2}cure: tristage setup --engine tensorflow/);
    assert.match(text, /problem: something is broken\n {2}cure: mend it/);
    assert.match(text, /auto +no engine/);
    assert.match(text, /not ready to train$/);
  });

  test('paints by meaning only what the painter is asked to', () => {
    const painted: string[] = [];
    renderDoctor(REPORT, (meaning, text) => {
      painted.push(`${meaning} ${text}`);
      return text;
    });
    for (const expected of ['good works', 'bad not usable', 'bad problem', 'note advice', 'good ready to train']) {
      assert.ok(painted.includes(expected), expected);
    }
  });

  test('says that other platforms are not tested', () => {
    const platform = { ...REPORT.platform, system: 'darwin', arch: 'arm64', tested: false };
    assert.match(renderDoctor({ ...REPORT, platform }), /darwin arm64 +not tested/);
  });
});

describe('setup', () => {
  const report = {
    engine: 'tensorflow' as const,
    version: '2.21.0',
    source: 'pip',
    dir: '/somewhere/tensorflow',
    addonPath: '/somewhere/addon.node',
    bytes: 853_308_936,
    seconds: 18.25,
    built: true,
  };

  test('says what was done, how large it is and where it lies', () => {
    const text = renderSetup(report);
    assert.match(text, /tensorflow is ready: version 2\.21\.0, checked by a computation/);
    assert.match(text, /\/somewhere\/tensorflow \(pip, 853 MB\)/);
    assert.match(text, /addon\.node \(built now\)/);
    assert.match(renderSetup({ ...report, built: false }), /was up to date/);
  });
});

describe('Node.js versions', () => {
  const RANGES = '^20.19.0 || >=22.12.0';

  test('are compared as numbers, with the range of package.json', () => {
    for (const version of ['v20.19.0', 'v20.20.2', 'v22.12.0', 'v22.13.1', 'v24.0.0', 'v100.1.1']) {
      assert.equal(satisfies(version, RANGES), true, version);
    }
    for (const version of ['v18.20.0', 'v20.18.9', 'v21.7.0', 'v22.11.0', 'v22.2.0']) {
      assert.equal(satisfies(version, RANGES), false, version);
    }
  });

  test('a range of another form is never satisfied by accident', () => {
    assert.equal(satisfies('v22.12.0', '~22.12.0'), false);
  });

  test('the one that runs this test is supported', () => {
    assert.equal(thisPlatform().nodeSupported, true);
  });
});
