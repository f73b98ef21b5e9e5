/** `${NAME}` and `${NAME:-default}` in paths: environment variables, so that a shipped file fits every machine. */

import { type ConfigIssue, quote } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\{([^}]*)\}/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?$/;

/**
 * Puts environment variables into a path. An empty variable counts as unset, as in the shell's `:-`.
 * @returns the text, or the fault of the first reference that cannot be replaced
 */
export function expandPath(text: string, environment: Environment): { text: string } | Omit<ConfigIssue, 'where'> {
  let fault: Omit<ConfigIssue, 'where'> | undefined;
  const expanded = text.replaceAll(REFERENCE, (whole, inner: string) => {
    const [, name, fallback] = NAME.exec(inner) ?? [];
    const value = name === undefined ? undefined : environment[name] || fallback;
    if (value === undefined) fault ??= name === undefined ? malformed(whole) : unset(name);
    return value ?? whole;
  });
  return fault ?? { text: expanded };
}

function malformed(reference: string): Omit<ConfigIssue, 'where'> {
  return {
    code: 'E_CONFIG_ENV',
    message: 'this reference to an environment variable is not understood',
    found: quote(reference),
    expected: `\${NAME} or \${NAME:-default}`,
  };
}

function unset(name: string): Omit<ConfigIssue, 'where'> {
  return {
    code: 'E_CONFIG_ENV',
    message: `the environment variable ${name} is not set`,
    found: 'nothing',
    expected: 'a file or folder',
    fix: `export ${name}=..., or write a default in the file: \${${name}:-path}`,
  };
}
