/**
 * The program of the archive. `part NAME` does one part in this process; otherwise all parts run, each in a process of its own, and
 * their records become one JSON file.
 */
import { parseArgs } from 'node:util';
import { type Device, openPacked, type Precision } from './engine.ts';
import { fused, kernels } from './parts/conformance.ts';
import { ops } from './parts/ops.ts';
import { parity } from './parts/parity.ts';
import { steps } from './parts/steps.ts';
import { emit } from './record.ts';
import { runAll } from './runner.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cuda' },
    tiny: { type: 'boolean', default: false },
    recompute: { type: 'boolean', default: false },
    precision: { type: 'string', default: 'float32' },
    lib: { type: 'string', default: '' },
    addon: { type: 'string', default: '' },
    fixtures: { type: 'string', default: '' },
    plan: { type: 'string', default: '' },
    python: { type: 'string', default: 'python3' },
    output: { type: 'string', default: 'results.json' },
  },
});
const device = values.device as Device;
const precision = values.precision as Precision;

/** The parts that compute in this program. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  kernels: () => kernels(device, precision),
  fused: () => fused(precision),
  parity: () => parity(values.fixtures, { precision, device }),
  ops: () => ops(values.plan),
  steps: () => steps({ planPath: values.plan, recompute: values.recompute, precision, device }),
};

if (positionals[0] === 'part') {
  const engine = await openPacked({
    device,
    libDir: values.lib,
    addonPath: values.addon,
    threads: values.tiny ? 1 : undefined,
    precision,
  });
  emit({ name: 'engine', ok: true, ...engine });
  const { slower = [] } = engine;
  if (positionals[1] === 'fused') emit({ name: 'own operators', ok: slower.length === 0, detail: slower.join('; ') });
  await PARTS[positionals[1] ?? '']!();
} else {
  const passed = await runAll({ ...values, device, script: process.argv[1]! });
  process.exitCode = passed ? 0 : 1;
}
