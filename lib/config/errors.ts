/** Faults of a configuration: each is a TristageError of its own, and all of them are reported at once. */

import { TristageError } from '../core/errors.ts';

/** One fault, before it becomes an error. */
export interface ConfigIssue {
  /** `E_CONFIG_...`, listed in docs/errors.md. */
  code: string;
  message: string;
  /** `file:line:column`, `--set a=b`, or another place that a user can open. */
  where: string;
  found?: string;
  expected?: string;
  fix?: string;
}

/** The most faults that are listed; a file of the wrong kind would give thousands. */
const MAX_LISTED = 50;

/** Text of a value for a message: JSON, one line, at most 80 characters. */
export function quote(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** The error of one fault, of kind `config`. */
export function configError(issue: ConfigIssue): TristageError {
  return new TristageError({ kind: 'config', ...issue });
}

/**
 * One error for all faults: the fault's own error when it is alone, else E_CONFIG, whose cause is an AggregateError of one
 * TristageError for each (see `faultsOf`).
 * @param issues at least one
 */
export function configErrors(issues: readonly ConfigIssue[]): TristageError {
  const [first, ...rest] = issues;
  if (first !== undefined && rest.length === 0) return configError(first);
  const listed = issues.slice(0, MAX_LISTED);
  const hidden = issues.length - listed.length;
  const lines = listed.map((issue) => `\n  ${issue.where}: ${issue.code}: ${issue.message}`);
  return new TristageError({
    kind: 'config',
    code: 'E_CONFIG',
    message: `${issues.length} errors in the configuration${lines.join('')}${hidden > 0 ? `\n  and ${hidden} more` : ''}`,
    cause: new AggregateError(listed.map(configError)),
  });
}

/** The single errors behind an error of `configErrors`; any other error is its own only fault. */
export function faultsOf(error: unknown): readonly unknown[] {
  if (error instanceof TristageError && error.cause instanceof AggregateError) return error.cause.errors;
  return [error];
}
