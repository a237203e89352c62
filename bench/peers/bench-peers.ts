import type { BenchOptions } from '../../src/cli/bench.ts';
import type { Terminal } from '../../src/cli/command.ts';
import { createProgressLine } from '../../src/cli/progress.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { readFilter } from '../read-filter.ts';
import { formatHeading, formatLimits } from '../report.ts';
import { writeReports } from '../report-files.ts';
import { openEngines, versionsOf } from './engines.ts';
import { installPeers } from './install.ts';
import { caseOfModel } from './model-checkpoint.ts';
import { REFERENCE } from './names.ts';
import { nodeHost } from './node-realm.ts';
import { openPeerBrowser, type PeerBrowser } from './page-realm.ts';
import { type AnyCase, peerCaseName } from './peer-case.ts';
import { morePeerCases, peerCases } from './peer-cases.ts';
import { formatPeers } from './peer-report.ts';
import { serves } from './peers.ts';
import { runPeers, startClock } from './run-peers.ts';

/**
 * Quick ends within a quarter of an hour on a busy machine too: an engine that takes a minute for anything is late, and what
 * is under way at 13 minutes is cut.
 */
const QUICK_ROUNDS = { secondsPerCase: 6, leastRounds: 2, mostRounds: 15 };
const FULL_ROUNDS = { secondsPerCase: 40, leastRounds: 9, mostRounds: 40 };
const QUICK_SECONDS = { forCases: 660, forAll: 780, forRequest: 60 };
const FULL_SECONDS = { forCases: 7000, forAll: 7200, forRequest: 150 };
/** Whole models may take longer over an answer than engines over anything else, and each has time of its own. */
const MODEL_SECONDS = { forRequest: 400, forAll: 900 };
/** Tokens after the first. */
const DECODED = { quick: 4, full: 32 };

/** `tessera bench --peers`: gives its exit code, 1 where Tessera itself failed a case. */
export async function benchPeers(options: BenchOptions, { stdout, stderr }: Terminal): Promise<number> {
  const filter = readFilter(options.filter);
  const decoded = options.quick ? DECODED.quick : DECODED.full;
  const models = await Promise.all(options.model.map((folder) => caseOfModel(folder, decoded)));
  const ops: readonly AnyCase[] = options.quick ? peerCases : [...peerCases, ...morePeerCases];
  const cases = [...models, ...ops].filter((one) => filter.test(peerCaseName(one)));
  if (cases.length === 0) throw new UsageError(`--filter ${filter.source} matches no case.`);
  const progress = createProgressLine(stderr);
  const folder = await installPeers(progress.show).finally(progress.clear);
  const device = await requestDevice({ adapter: options.adapter });
  let browser: PeerBrowser | undefined;
  try {
    const seconds = options.quick ? QUICK_SECONDS : FULL_SECONDS;
    const forModels = models.length * MODEL_SECONDS.forAll;
    const clock = startClock({
      forCases: seconds.forCases + forModels,
      forAll: seconds.forAll + forModels,
      forRequest: models.length > 0 ? MODEL_SECONDS.forRequest : seconds.forRequest,
    });
    const { adapterName } = device.caps;
    browser = await openPeerBrowser(folder, adapterName);
    if (options.browser && !browser)
      throw new UsageError(`--browser: there is no Chromium, or it does not offer "${adapterName}".`);
    const engines = openEngines(options.browser, folder, adapterName, browser, clock.leftForRequest).filter(
      ({ host }) => cases.some((one) => serves(host.name, one)),
    );
    const run = {
      ...(options.quick ? QUICK_ROUNDS : FULL_ROUNDS),
      clock,
      cases,
      reference: nodeHost(REFERENCE, folder, adapterName, clock.leftForReference),
      hosts: engines.map(({ host }) => host),
      versions: versionsOf(engines),
    };
    const report = await runPeers(device, run, progress.show).finally(progress.clear);
    const parts = [formatHeading(report), formatLimits(report.limits), formatPeers(report)];
    stdout.write(`${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`);
    await writeReports(JSON.stringify(report, null, 2), options, stdout);
    return report.rows.some(({ ms }) => ms === null) ? 1 : 0;
  } finally {
    await browser?.close();
    device.dispose();
  }
}
