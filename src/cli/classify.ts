import type { LabelScore } from '../embed/contrastive-model.ts';
import { defineCommand } from './command.ts';
import { contrastiveOptions, openContrastiveModel, requireModel } from './contrastive-options.ts';
import { checkStdinOnce, readStdin, STDIN } from './read-stdin.ts';
import { formatTable } from './table.ts';
import { UsageError } from './usage-error.ts';

export const classifyCommand = defineCommand({
  name: 'classify',
  details: [
    'Prints the labels with their probabilities, the best first. Of a CLIP model the probabilities add up to 1 over the labels; a SigLIP model judges each label by itself.',
    '--json prints one object per picture and line: { image, model, adapter, scores }, a score being { label, probability, logit, similarity }.',
    'A picture is a path, an http(s) address, or - for standard input.',
  ].join('\n\n'),
  operands: { usage: 'IMAGE...', min: 1 },
  options: {
    labels: { kind: 'text', value: 'A,B,...', help: 'labels, with commas between them' },
    label: { kind: 'texts', value: 'TEXT', help: 'one label, which may have commas; may be given again' },
    template: {
      kind: 'text',
      value: 'TEXT',
      help: 'sentence that each label is put into at {}, such as "a photo of a {}"; default the label alone',
    },
    temperature: {
      kind: 'number',
      value: 'X',
      min: 0,
      help: 'above 1 evens the probabilities out, below sharpens them; default 1, as trained',
    },
    truncate: { kind: 'flag', help: 'cut labels that are too long for the model, instead of an error' },
    ...contrastiveOptions,
    json: { kind: 'flag', help: 'one JSON object per picture' },
  },
  examples: [
    'tessera classify photo.jpg --labels "a cat,a dog" --model openai/clip-vit-base-patch32',
    'tessera classify *.jpg --labels cat,dog,bird --template "a photo of a {}" --json --model ./clip',
  ],
  async run(values, images, terminal) {
    const { template, temperature, truncate, json } = values;
    requireModel('classify', values.model);
    const labels = readLabels('classify', values.labels, values.label);
    if (temperature === 0) throw new UsageError('--temperature is "0"; expected a number above 0.');
    if (template !== undefined && !template.includes('{}'))
      throw new UsageError(`--template is "${template}"; expected {} in it, where the label goes.`);
    checkStdinOnce('classify', images);
    const { model } = await openContrastiveModel('classify', values, terminal, ['image', 'text']);
    try {
      const { stdout, signal } = terminal;
      for (let begin = 0; begin < images.length; begin += model.maxImageBatch) {
        const batch = images.slice(begin, begin + model.maxImageBatch);
        const sources = batch.map((image) => (image === STDIN ? readStdin(terminal) : image));
        const results = await model.classify(await Promise.all(sources), labels, {
          template,
          temperature,
          truncate,
          signal,
        });
        for (const [i, scores] of results.entries()) {
          const image = batch[i] ?? '';
          if (json) {
            const { name, adapterName } = model;
            stdout.write(`${JSON.stringify({ image, model: name, adapter: adapterName, scores })}\n`);
          } else {
            stdout.write(
              `${[...(images.length > 1 ? [`${image}:`] : []), ...formatScores(scores)].join('\n')}\n`,
            );
          }
        }
      }
      return 0;
    } finally {
      model.dispose();
    }
  },
});

/** Throws UsageError where there are none, or an empty one. */
export function readLabels(
  command: string,
  list: string | undefined,
  single: readonly string[],
): readonly string[] {
  const labels = [...(list?.split(',') ?? []), ...single].map((label) => label.trim());
  if (labels.length === 0) {
    throw new UsageError(
      `${command} needs --labels "A,B,..." or --label TEXT. See: tessera ${command} --help`,
    );
  }
  if (labels.includes('')) throw new UsageError(`${command}: a label is empty; expected text in each.`);
  return labels;
}

const BAR_CELLS = 24;

/** `a cat  [########################]  98.1 %`, a line per label. */
export function formatScores(scores: readonly LabelScore[]): string[] {
  return formatTable(
    scores.map(({ label, probability }) => [
      `  ${label}`,
      `[${'#'.repeat(Math.round(probability * BAR_CELLS)).padEnd(BAR_CELLS)}]`,
      `${(100 * probability).toFixed(1)} %`,
    ]),
    ['left', 'left', 'right'],
  );
}
