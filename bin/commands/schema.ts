import type { Command } from '../command.ts';

export const schema: Command = {
  name: 'schema',
  summary: 'Print the JSON Schema of run files, for editors',
  options: {},
  examples: ['tristage schema > run.schema.json'],
  run: async () => {
    const [{ registry }, { schemaText }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/config.ts'),
    ]);
    process.stdout.write(schemaText(registry));
    return 0;
  },
};
