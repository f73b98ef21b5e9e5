/** Parses the command line and runs one command. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import yargs, { type Argv } from 'yargs';
import { closest } from '../lib/config/suggest.ts';
import { TristageError } from '../lib/core/errors.ts';
import { packageRoot } from '../lib/core/paths.ts';
import type { Arguments, Command } from './command.ts';
import { bench } from './commands/bench.ts';
import { convert } from './commands/convert.ts';
import { data } from './commands/data.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/eval.ts';
import { exportCommand } from './commands/export.ts';
import { init } from './commands/init.ts';
import { inspect } from './commands/inspect.ts';
import { plan } from './commands/plan.ts';
import { predict } from './commands/predict.ts';
import { prepare } from './commands/prepare.ts';
import { prepareFeatures } from './commands/prepare-features.ts';
import { replay } from './commands/replay.ts';
import { report } from './commands/report.ts';
import { schema } from './commands/schema.ts';
import { setup } from './commands/setup.ts';
import { train } from './commands/train.ts';
import { validate } from './commands/validate.ts';
import { verify } from './commands/verify.ts';
import { reportFailure } from './output.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  setup,
  doctor,
  init,
  validate,
  plan,
  prepare,
  prepareFeatures,
  data,
  inspect,
  train,
  replay,
  evaluate,
  predict,
  report,
  exportCommand,
  verify,
  convert,
  bench,
  schema,
];

const GLOBAL = ['help', 'h', 'version', 'V', 'debug'];

/** Status of the command line for wrong use. */
function usage(message: string, fix: string, found?: string): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_USAGE', message, fix, ...(found === undefined ? {} : { found }) });
}

/**
 * Runs one command line.
 * @param argv arguments without interpreter and script
 * @returns the exit status; failures are already reported
 */
export async function main(argv: readonly string[]): Promise<number> {
  const reporting = { debug: argv.includes('--debug'), json: argv.includes('--json') };
  try {
    return await dispatch(argv);
  } catch (error) {
    return reportFailure(error, reporting);
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv[0] === '--debug' ? [...argv.slice(1), '--debug'] : argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return printOverview();
  if (first === '--version' || first === '-V') return printVersion();
  const command = COMMANDS.find(({ name }) => name === first);
  if (command === undefined) throw unknownCommand(first);
  const args = await parse(command, rest);
  return args === undefined ? 0 : command.run(args);
}

function unknownCommand(word: string): TristageError {
  const names = COMMANDS.map(({ name }) => name);
  const suggestion = closest(word, names);
  const fix = suggestion === undefined ? `take one of ${names.join(', ')}` : `did you mean tristage ${suggestion}?`;
  const what = word.startsWith('-') ? 'a command must come before options' : `there is no command ${word}`;
  return usage(what, fix, word);
}

/** The values of a command line, or `undefined` when it only asked for help. */
async function parse(command: Command, argv: readonly string[]): Promise<Arguments | undefined> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(`${await parserOf(command).getHelp()}\n`);
    return undefined;
  }
  refuseUnknownOptions(command, argv);
  return (await parserOf(command).parseAsync([...argv])) as Arguments;
}

function parserOf(command: Command): Argv {
  const usageLine = `tristage ${[command.name, command.positional].filter(Boolean).join(' ')}`;
  const parser = yargs()
    .scriptName('tristage')
    .parserConfiguration({ 'dot-notation': false, 'camel-case-expansion': false, 'duplicate-arguments-array': true })
    .command(['$0', command.positional].filter(Boolean).join(' '), command.summary, (builder) => {
      const name = /[a-z]+/.exec(command.positional ?? '')?.[0];
      if (name !== undefined) {
        const choices = command.choices === undefined ? {} : { choices: command.choices };
        builder.positional(name, { type: 'string', describe: command.positionalSummary ?? '', ...choices });
      }
      return builder;
    })
    .usage(`${usageLine} [options]\n\n${command.summary}`)
    .options(command.options)
    .option('debug', { type: 'boolean', default: false, describe: 'Print stack traces of errors' })
    .help()
    .alias('help', 'h')
    .version(false)
    .strict()
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      throw parseFault(message ?? error.message, command);
    });
  for (const example of command.examples) parser.example(example, '');
  return parser;
}

/** The parser would take the word after an unknown option for its value and complain about something else. */
function refuseUnknownOptions(command: Command, argv: readonly string[]): void {
  const known = [...Object.keys(command.options), ...GLOBAL];
  const end = argv.indexOf('--');
  for (const word of end < 0 ? argv : argv.slice(0, end)) {
    const name = /^--(?:no-)?([^=]+)/.exec(word)?.[1];
    if (name === undefined || known.includes(name)) continue;
    const suggestion = closest(name, known);
    const fix = suggestion === undefined ? '' : `did you mean --${suggestion}? `;
    throw usage(`tristage ${command.name} has no option --${name}`, `${fix}${helpOf(command)}`, word);
  }
}

function helpOf(command: Command): string {
  return `tristage ${command.name} --help lists what it takes`;
}

/** The error for a message of the parser. */
function parseFault(message: string, command: Command): TristageError {
  if (message.startsWith('Not enough non-option')) {
    return usage(`tristage ${command.name} needs ${command.positional}`, helpOf(command), 'nothing');
  }
  if (message.startsWith('Invalid values')) {
    const [, name, given, choices] = /Argument: (\S+), Given: (.*), Choices: (.*)/.exec(message) ?? [];
    return usage(`tristage ${command.name}: ${name} must be one of ${choices}`, helpOf(command), given);
  }
  const unknown = /^Unknown arguments?: (.*)$/.exec(message)?.[1];
  if (unknown !== undefined)
    return usage(`tristage ${command.name} does not know ${unknown}`, helpOf(command), unknown);
  return usage(message.split('\n')[0] ?? message, helpOf(command));
}

function printOverview(): number {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const list = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  const lines = [
    'tristage <command> [options]',
    '',
    'Trains vision-language models in three stages, each described by a YAML file.',
    '',
    ...list,
    '',
    'tristage <command> --help explains a command; --version prints the version.',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function printVersion(): number {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  process.stdout.write(`${manifest.version}\n`);
  return 0;
}
