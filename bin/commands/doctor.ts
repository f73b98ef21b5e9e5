import { EXIT_STATUS } from '../../lib/core/errors.ts';
import { type Command, flag, JSON_OPTION } from '../command.ts';
import { doctorPaint, printResult } from '../output.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Show engines, devices, threads and speed here, and the cure for what is missing',
  options: { ...JSON_OPTION },
  examples: ['tristage doctor'],
  run: async (args) => {
    const [{ runDoctor }, { renderDoctor }] = await Promise.all([
      import('../../lib/run/doctor.ts'),
      import('../../lib/run/doctor-text.ts'),
    ]);
    const report = await runDoctor();
    printResult(report, renderDoctor(report, doctorPaint()), flag(args, 'json'));
    return report.ok ? 0 : EXIT_STATUS.environment;
  },
};
