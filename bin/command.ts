/** What a command of the command line is, and the options that several share. */

import type { Options } from 'yargs';

/** Options of the source that a command works on. */
export const SOURCE_SET_OPTION = {
  set: {
    type: 'string',
    array: true,
    nargs: 1,
    default: [],
    requiresArg: true,
    describe: 'An option of the source: --set split=val (repeatable)',
  },
} as const;

/** Values of a parsed command line by option name. */
export type Arguments = Readonly<Record<string, unknown>>;

export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** Positional arguments as yargs writes them: `<config..>`. */
  positional?: string;
  /** What the positional arguments are. */
  positionalSummary?: string;
  /** The only values that the positional argument takes. */
  choices?: readonly string[];
  options: Readonly<Record<string, Options>>;
  /** Full command lines that work, for the help of this command. */
  examples: readonly string[];
  /** Does the work. Modules that load an engine, sharp or a schema are imported in here. */
  run: (args: Arguments) => Promise<number>;
}

export const JSON_OPTION: Readonly<Record<string, Options>> = {
  json: { type: 'boolean', default: false, describe: 'Print one JSON document on stdout' },
};

export const SET_OPTION: Readonly<Record<string, Options>> = {
  set: {
    type: 'string',
    array: true,
    nargs: 1,
    default: [],
    requiresArg: true,
    describe: 'Replace one value: --set train.steps=20 (repeatable; list items by index)',
  },
};

export const PLUGIN_OPTION: Readonly<Record<string, Options>> = {
  plugin: {
    type: 'string',
    array: true,
    nargs: 1,
    default: [],
    requiresArg: true,
    describe: 'Execute this module and take its sources and stages: --plugin ./mine.mjs (repeatable)',
  },
};

/** A text option, or `undefined`. */
export function text(args: Arguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
}

/** A repeatable option or positional as a list of texts. */
export function texts(args: Arguments, name: string): string[] {
  const value = args[name];
  return value === undefined ? [] : (Array.isArray(value) ? value : [value]).map(String);
}

/** A switch. */
export function flag(args: Arguments, name: string): boolean {
  return args[name] === true;
}
