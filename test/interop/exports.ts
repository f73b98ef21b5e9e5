/**
 * Holds exports against Python's own peft and transformers. By hand, with a run that was trained here:
 *   npx tsx test/interop/exports.ts RUN [PYTHON]
 * Without PYTHON a virtual environment in the cache is made and the packages are installed there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registry } from '../../bin/registry.ts';
import { createLogger } from '../../lib/core/log.ts';
import { exportRun } from '../../lib/run/export.ts';
import { checkExport, trainerAnswer } from './python-exports.ts';
import { exportPython, installExportPython } from './python-venv.ts';

const [run, given] = process.argv.slice(2);
if (run === undefined) throw new Error('usage: npx tsx test/interop/exports.ts RUN [PYTHON]');
const folder = mkdtempSync(join(tmpdir(), 'tristage-exports-'));
const logger = createLogger();
try {
  const python = given ?? (await exportPython()) ?? (await installExportPython((line) => logger.info(line)));
  for (const format of ['peft', 'merged']) {
    const out = join(folder, format);
    await exportRun({ checkpoint: run, format, out, registry, logger });
    console.log(JSON.stringify({ ...(await checkExport(out, python)), expected: await trainerAnswer(out) }, null, 2));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
