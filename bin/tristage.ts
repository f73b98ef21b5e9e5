#!/usr/bin/env node
/** The command line: argv -> lib/run -> exit status. Nothing heavy is imported before a command is known. */

import { main } from './main.ts';
import { allowClosedPipe } from './output.ts';

allowClosedPipe(process.stdout);
allowClosedPipe(process.stderr);

process.exitCode = await main(process.argv.slice(2));
