/** `tristage inspect --ledger`: the bad samples of a run that was trained. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { describeLedger, type LedgerSummary, ledgerSummary } from '../ledger-summary.ts';
import { RUN_FILES } from '../run-folder.ts';

/**
 * Sums up the ledger of a run.
 * @returns the summary, and as text for people
 * @throws TristageError E_INSPECT_RUN for a folder that is no run, E_LEDGER for a damaged ledger
 */
export async function inspectLedger(folder: string): Promise<{ summary: LedgerSummary; text: string }> {
  const known = [RUN_FILES.config, RUN_FILES.ledger].some((name) => existsSync(join(folder, name)));
  if (!known) throw noRun(folder);
  const summary = await ledgerSummary(folder);
  return { summary, text: describeLedger(summary).join('\n') };
}

function noRun(folder: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_INSPECT_RUN',
    message: 'there is no run whose ledger could be read',
    where: folder,
    found: existsSync(folder) ? `neither ${RUN_FILES.config} nor ${RUN_FILES.ledger} in it` : 'no such folder',
    expected: 'a run folder',
    fix: 'name the --out of a tristage train',
  });
}
