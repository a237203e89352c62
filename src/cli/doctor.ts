import { examineAdapters, formatDoctorReport } from '../device/doctor.ts';
import { installDriver } from '../device/driver-cache.ts';
import { defineCommand } from './command.ts';
import { createProgressLine, formatByteProgress } from './progress.ts';

export const doctorCommand = defineCommand({
  name: 'doctor',
  details:
    'Exit code 1 where no adapter can be used. --install-driver downloads SwiftShader, a Vulkan driver that runs on the CPU, from the npm registry into the cache folder (linux-x64; 68 MB, of which 3.5 MB are kept packed), for machines without a GPU or other driver.',
  operands: { usage: '', min: 0, max: 0 },
  options: {
    adapter: { kind: 'text', value: 'NAME', help: 'the adapter to look for, as other commands take it' },
    'install-driver': { kind: 'flag', help: 'get the CPU driver first' },
    json: { kind: 'flag', help: 'the report as one JSON object' },
  },
  examples: ['tessera doctor', 'tessera doctor --install-driver', 'tessera doctor --json'],
  async run(options, _operands, { stdout, stderr, signal }) {
    if (options['install-driver']) {
      const progress = createProgressLine(stderr);
      const { folder } = await installDriver({
        signal,
        onProgress: ({ loadedBytes, totalBytes }) =>
          progress.show(formatByteProgress('download', loadedBytes, totalBytes)),
      }).finally(progress.clear);
      stderr.write(`SwiftShader is in ${folder}\n`);
    }
    const report = await examineAdapters(options.adapter);
    stdout.write(`${options.json ? JSON.stringify(report) : formatDoctorReport(report)}\n`);
    return report.adapters.some((adapter) => adapter.wouldBeUsed) ? 0 : 1;
  },
});
