import { type Command, PLUGIN_OPTION, texts } from '../command.ts';

export const schema: Command = {
  name: 'schema',
  summary: 'Print the JSON Schema of run files, for editors',
  options: { ...PLUGIN_OPTION },
  examples: ['tristage schema > run.schema.json', 'tristage schema --plugin ./mine.mjs > run.schema.json'],
  run: async (args) => {
    const [{ registry }, { schemaText }, { withPluginFiles }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/config.ts'),
      import('../../lib/run/plugins.ts'),
    ]);
    process.stdout.write(schemaText(await withPluginFiles(registry, texts(args, 'plugin'))));
    return 0;
  },
};
