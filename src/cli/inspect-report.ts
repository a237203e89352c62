import { formatShape } from '../core/shape.ts';
import type { DualEncoderReport } from '../embed/inspect.ts';
import type { CheckpointReport, TensorTotals } from '../generate/inspect.ts';
import { formatTable } from './table.ts';
import { formatBytes, formatCount, formatFlops, formatParameters } from './units.ts';

/** The text of `tessera inspect`, line by line. */
export function formatReport(report: CheckpointReport): string[] {
  const { text, vision, memory, precision, unusedTensors, flops } = report;
  return [
    ...formatTable([
      ['model', report.name],
      ['model_type', report.modelType],
      ['decoder', `${text.numHiddenLayers} layers of width ${text.hiddenSize}`],
      ['attention', `${text.numAttentionHeads} heads of ${text.headDim}, ${text.numKeyValueHeads} key/value`],
      ['vocabulary', formatCount(text.vocabSize)],
      ['context', `${formatCount(text.maxPositionEmbeddings)} tokens`],
      ...(vision
        ? [
            [
              'pictures',
              `${vision.tilesPerImage > 1 ? `${vision.tilesPerImage} tiles of ` : ''}${vision.imageShape.join(' x ')} values`,
            ],
            ['image tokens', `${vision.tokensPerImage} per picture`],
          ]
        : [['pictures', 'none: a language model']]),
      ['weights file', formatBytes(report.fileBytes)],
    ]),
    '',
    ...countTable('parameters', report.parameters, report.parametersByPart),
    '',
    ...countTable('stored as', report.parameters, report.parametersByDType),
    '',
    `GPU memory  weights ${precision.weights}, activations ${precision.activations}, KV cache ${precision.kvCache}`,
    ...formatTable(
      [
        ['  weights', formatBytes(memory.weights)],
        [
          '  KV cache',
          formatBytes(memory.kvCache),
          `${formatCount(memory.contextTokens)} tokens of ${formatBytes(memory.kvCachePerToken)}`,
        ],
        ['  scratch', formatBytes(memory.scratch)],
        ['  total', formatBytes(memory.total)],
      ],
      ['left', 'right'],
    ),
    '',
    'FLOPs',
    ...formatTable(
      [
        ...(vision ? [['  picture', formatFlops(flops.picture)]] : []),
        ['  prompt', formatFlops(flops.prompt), `${formatCount(flops.promptTokens)} tokens`],
        ['  answer', formatFlops(flops.token), 'a token'],
      ],
      ['left', 'right'],
    ),
    ...(unusedTensors.length > 0 ? ['', `not used by the model: ${unusedTensors.join(', ')}`] : []),
  ];
}

/** The same of a model that embeds pictures and texts. */
export function formatDualEncoderReport(report: DualEncoderReport): string[] {
  const { text, vision, memory, precision, unusedTensors } = report;
  return [
    ...formatTable([
      ['model', report.name],
      ['model_type', report.modelType],
      ['image tower', `${vision.numHiddenLayers} layers of width ${vision.hiddenSize}`],
      ['pictures', `${vision.imageShape.join(' x ')} values, ${vision.tokensPerImage} tokens`],
      ['text tower', `${text.numHiddenLayers} layers of width ${text.hiddenSize}`],
      ['texts', `up to ${text.maxPositionEmbeddings} tokens`],
      ['vocabulary', formatCount(text.vocabSize)],
      ['embeddings', `${report.embeddingSize} values`],
      ['weights file', formatBytes(report.fileBytes)],
    ]),
    '',
    ...countTable('parameters', report.parameters, report.parametersByPart),
    '',
    ...countTable('stored as', report.parameters, report.parametersByDType),
    '',
    `GPU memory  weights ${precision.weights}, activations ${precision.activations}`,
    ...formatTable(
      [
        ['  weights', formatBytes(memory.weights)],
        ['  scratch', formatBytes(memory.scratch), `${memory.batch} pictures at once`],
        ['  total', formatBytes(memory.total)],
      ],
      ['left', 'right'],
    ),
    ...(unusedTensors.length > 0 ? ['', `not used by the model: ${unusedTensors.join(', ')}`] : []),
  ];
}

function countTable(title: string, total: number, counts: Readonly<Record<string, number>>): string[] {
  return [
    `${title.padEnd(10)}  ${formatCount(total)} (${formatParameters(total)})`,
    ...formatTable(
      Object.entries(counts).map(([name, count]) => [`  ${name}`, formatCount(count)]),
      ['left', 'right'],
    ),
  ];
}

/** Every tensor with dtype, shape and size, and the sums. */
export function formatTensors({ tensors, parameters, fileBytes }: TensorTotals): string[] {
  return [
    `tensors     ${formatCount(tensors.length)} with ${formatCount(parameters)} values, ${formatBytes(fileBytes)}`,
    ...formatTable(
      tensors.map(({ name, dtype, shape, byteLength }) => [
        `  ${name}`,
        dtype,
        formatShape(shape),
        formatBytes(byteLength),
      ]),
      ['left', 'left', 'left', 'right'],
    ),
  ];
}
