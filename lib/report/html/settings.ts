/** With what a run was made: its whole file, what differs between runs, versions and hashes. */

import { type Fragment, type Html, html } from './markup.ts';
import type { ReportedRun } from './report.ts';
import { table } from './table.ts';

/** A run under the name that its column has. */
export interface NamedRun {
  readonly label: string;
  readonly run: ReportedRun;
}

/** Differences first, then every file. */
export function settingsSection(runs: readonly NamedRun[], { open }: { open: boolean }): Html {
  const differences = differencesOf(runs);
  return html`<section id="configuration"><h2>Configuration</h2>
${
  runs.length > 1 &&
  html`<details${open && differences.length > 0 ? OPEN : ''}><summary>What differs between the runs: ${counted(differences.length)}</summary>${table(
    {
      caption: 'Settings that differ',
      quiet: true,
      head: ['setting', ...runs.map(({ label }) => label)],
      rows: differences,
      texts: runs.length + 1,
    },
  )}</details>`
}
${runs.map(
  ({ label, run }) =>
    html`<details><summary>${label}: all settings</summary><pre tabindex="0">${run.config}</pre></details>`,
)}
<h3>Versions</h3>
${table({ caption: 'Versions', quiet: true, head: ['', ...runs.map(({ label }) => label)], rows: factRows(runs), texts: runs.length + 1 })}</section>`;
}

const OPEN = html` open`;

function counted(settings: number): string {
  return settings === 1 ? '1 setting' : `${settings} settings`;
}

/** A row for each setting that is not the same in all runs; its path, then the value of each. */
function differencesOf(runs: readonly NamedRun[]): Fragment[][] {
  const paths = [...new Set(runs.flatMap(({ run }) => [...run.settings.keys()]))];
  return paths
    .map((path) => ({ path, values: runs.map(({ run }) => run.settings.get(path)) }))
    .filter(({ values }) => new Set(values).size > 1)
    .map(({ path, values }) => [
      html`<code>${path}</code>`,
      ...values.map((value) => value ?? html`<span class="note">-</span>`),
    ]);
}

function factRows(runs: readonly NamedRun[]): Fragment[][] {
  const names = [...new Set(runs.flatMap(({ run }) => run.facts.map(([name]) => name)))];
  return names.map((name) => [name, ...runs.map(({ run }) => run.facts.find(([own]) => own === name)?.[1] ?? '-')]);
}
