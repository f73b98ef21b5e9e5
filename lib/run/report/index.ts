/** `tristage report`: reads runs, opens the scenes that they were asked about, and writes the page. */

import { join } from 'node:path';
import { loadTree } from '../../config/load.ts';
import type { Logger } from '../../core/log.ts';
import { reportHtml, warningsOf } from '../../report/html/page.ts';
import type { ReportedChain } from '../../report/html/report.ts';
import type { Registry } from '../config.ts';
import { checkPageFile, writePageFile } from '../page-file.ts';
import { withPlugins } from '../plugins.ts';
import { RUN_FILES } from '../run-folder.ts';
import { type FoundChain, findChains } from './find-runs.ts';
import { openGallery } from './gallery.ts';
import { doubtsOfParent } from './parentage.ts';
import { readReportedRun } from './read-run.ts';

export interface ReportRequest {
  /** Run folders, or folders of run folders; one stands with all that it started from, several are compared. */
  runs: readonly string[];
  /** Default: `report.html` in the only folder; of several, in the current folder. */
  out?: string | undefined;
  registry: Registry;
  /** Executes the modules that the runs name, for the images of their sources. Default: no foreign code runs. */
  plugins?: boolean | undefined;
}

/** A page that was written, and what stands in it. */
export interface WrittenReport {
  path: string;
  bytes: number;
  chains: {
    label: string;
    runs: {
      name: string;
      folder: string;
      step: number;
      finished: boolean;
      figures: Record<string, number>;
    }[];
  }[];
  /** As the page tells them. */
  warnings: readonly string[];
  /** Scenes that are shown. */
  scenes: number;
}

/**
 * Writes the report of runs.
 * @throws TristageError E_REPORT_RUN where no run is, E_OUT_FOREIGN for an --out that is another file, E_EVENTS and E_PREDICTIONS for
 *   damaged records
 */
export async function writeReport({ runs, out, plugins = false, ...request }: ReportRequest): Promise<WrittenReport> {
  const found = findChains(runs);
  const path = out ?? join(runs.length === 1 ? (runs[0] as string) : '.', RUN_FILES.report);
  checkPageFile(path, '--out');
  const chains = found.map(readChain);
  const [only, ...others] = chains;
  const asked =
    only !== undefined && others.length === 0
      ? only.runs.map(({ name, folder }) => ({ name, folder }))
      : chains.map(({ label, runs: own }) => ({ name: label, folder: own.at(-1)?.folder ?? '' }));
  const folders = asked.map(({ folder }) => folder);
  const registry = plugins ? await withPluginsOf(folders, request.registry) : request.registry;
  const gallery = await openGallery({ runs: asked, registry });
  const text = reportHtml({ chains, gallery });
  const bytes = await writePageFile(path, text);
  return {
    path,
    bytes,
    chains: chains.map(({ label, runs: own }) => ({ label, runs: own.map(told) })),
    warnings: warningsOf(chains),
    scenes: gallery?.scenes.length ?? 0,
  };
}

/** Reads the runs of a chain; what is wrong between them is a warning of the later one. */
function readChain({ label, folders, missing }: FoundChain): ReportedChain {
  const runs = folders.map((folder, place) => {
    const run = readReportedRun(folder);
    const before = folders[place - 1];
    const lost =
      place === 0 && missing !== undefined ? [`it started from ${missing}; no run folder is found there`] : [];
    const doubts = before === undefined ? [] : doubtsOfParent(folder, before);
    return { ...run, warnings: [...lost, ...doubts, ...run.warnings] };
  });
  return { label, runs };
}

function told({ name, folder, step, finished, evaluation }: ReportedChain['runs'][number]) {
  const figures = Object.entries(evaluation?.model ?? {}).map(([figure, { value }]) => [figure, value] as const);
  return { name, folder, step, finished, figures: Object.fromEntries(figures) };
}

async function withPluginsOf(folders: readonly string[], registry: Registry): Promise<Registry> {
  let joined = registry;
  for (const folder of folders) joined = await withPlugins(joined, loadTree(join(folder, RUN_FILES.config)));
  return joined;
}

/**
 * The report of one run after it was trained or evaluated. It adds to what is done already, so a failure is only told.
 * @param folder run folder, or folder of run folders
 */
export async function refreshReport(
  folder: string,
  { registry, plugins, logger }: Pick<ReportRequest, 'registry' | 'plugins'> & { logger: Logger },
): Promise<void> {
  try {
    const { path } = await writeReport({ runs: [folder], registry, plugins });
    logger.info(`report: ${path}`);
  } catch (error) {
    logger.warn(`no report was written: ${(error as Error).message}`);
  }
}
