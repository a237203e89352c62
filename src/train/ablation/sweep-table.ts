import type { SweepResult } from './results.ts';
import { differingLabels } from './sweep-config.ts';

/** The results of a sweep as rows of text, a header first. */
export function sweepTable(results: readonly SweepResult[]): readonly (readonly string[])[] {
  const names = differingLabels(results);
  return [
    [
      ...['point', 'accuracy', 'loss', 'tokens', 'trained', 'parameters', 'MFLOP', 'activations', 'steps'],
      'time',
    ],
    ...results.map(({ accuracy, loss, cost, settings, trainingMs }, i) => [
      names[i] ?? '',
      `${(100 * accuracy).toFixed(1)} %`,
      loss.toFixed(3),
      String(cost.tokens.perClip),
      cost.parameters.trained.toLocaleString('en-US'),
      cost.parameters.total.toLocaleString('en-US'),
      (cost.flops.total / 1e6).toFixed(1),
      `${(cost.memory.trainingActivations / 2 ** 20).toFixed(1)} MiB`,
      String(settings.steps),
      `${(trainingMs / 1000).toFixed(0)} s`,
    ]),
  ];
}
