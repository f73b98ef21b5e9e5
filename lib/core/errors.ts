/** Every failure a user can meet is a TristageError: a documented code, where, what was found, what was expected, how to fix it. */

/** What an error concerns; decides the exit status of the command line. */
export type ErrorKind =
  | 'failure'
  | 'usage'
  | 'config'
  | 'data'
  | 'environment'
  | 'resources'
  | 'numeric'
  | 'checkpoint'
  | 'gate';

/** Exit status for each kind of error (docs/errors.md). */
export const EXIT_STATUS: Readonly<Record<ErrorKind, number>> = {
  failure: 1,
  usage: 2,
  config: 3,
  data: 4,
  environment: 5,
  resources: 6,
  numeric: 7,
  checkpoint: 8,
  gate: 9,
};

/** What an error says. */
export interface ErrorDetails {
  kind: ErrorKind;
  /** Stable, documented code such as `E_KERNEL`. */
  code: string;
  /** One sentence: what went wrong. */
  message: string;
  /** File, `file:line:column`, tensor name, or another place a user can open. */
  where?: string;
  found?: string;
  expected?: string;
  /** What the user should do now. */
  fix?: string;
  cause?: unknown;
}

/** The one error class of the project; the code, not a subclass, tells errors apart. */
export class TristageError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly where: string | undefined;
  readonly found: string | undefined;
  readonly expected: string | undefined;
  readonly fix: string | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TristageError';
    this.kind = details.kind;
    this.code = details.code;
    this.where = details.where;
    this.found = details.found;
    this.expected = details.expected;
    this.fix = details.fix;
  }

  get exitStatus(): number {
    return EXIT_STATUS[this.kind];
  }
}

/**
 * The full text of an error as printed on stderr, one fact a line.
 * @param error any thrown value
 * @returns lines joined by newline, without a stack trace
 */
export function formatError(error: unknown): string {
  if (!(error instanceof TristageError)) return `error: ${error instanceof Error ? error.message : String(error)}`;
  const lines = [`error ${error.code}: ${error.message}`];
  if (error.where !== undefined) lines.push(`  where:    ${error.where}`);
  if (error.found !== undefined) lines.push(`  found:    ${error.found}`);
  if (error.expected !== undefined) lines.push(`  expected: ${error.expected}`);
  if (error.fix !== undefined) lines.push(`  fix:      ${error.fix}`);
  return lines.join('\n');
}
