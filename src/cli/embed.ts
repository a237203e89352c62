import type { ContrastiveModel } from '../embed/contrastive-model.ts';
import { defineCommand, type Terminal } from './command.ts';
import { contrastiveOptions, openContrastiveModel, requireModel } from './contrastive-options.ts';
import { encodeNpy } from './npy.ts';
import { createProgressLine, formatProgress } from './progress.ts';
import { checkStdinOnce, readStdin, STDIN } from './read-stdin.ts';
import { formatCount } from './units.ts';
import { UsageError } from './usage-error.ts';
import { writeWhole } from './write-whole.ts';

export const embedCommand = defineCommand({
  name: 'embed',
  details: [
    'Prints one JSON object per line, the pictures in the order given and then the texts: { image, embedding } or { text, embedding }. An embedding is a unit vector: the dot product of two is their similarity, of pictures and texts alike.',
    'With --output, the vectors go to a NumPy file instead: shape [inputs, values], f32, in the same order.',
    'A picture is a path, an http(s) address, or - for standard input.',
  ].join('\n\n'),
  operands: { usage: '[IMAGE...]', min: 0 },
  options: {
    text: { kind: 'texts', value: 'TEXT', help: 'a text to embed; may be given again' },
    output: { kind: 'text', value: 'FILE.npy', help: 'NumPy file to write, instead of JSON on stdout' },
    truncate: { kind: 'flag', help: 'cut texts that are too long for the model, instead of an error' },
    ...contrastiveOptions,
  },
  examples: [
    'tessera embed photo.jpg --model openai/clip-vit-base-patch32',
    'tessera embed photo.jpg --text "a red bicycle" --text "a car" --model ./siglip-base-patch16-224',
    'tessera embed *.jpg --output photos.npy --model ./clip-vit-base-patch32',
  ],
  async run(values, images, terminal) {
    const { text: texts, output, truncate } = values;
    requireModel('embed', values.model);
    if (images.length + texts.length === 0)
      throw new UsageError('embed needs a picture or --text. See: tessera embed --help');
    if (output !== undefined && !output.endsWith('.npy'))
      throw new UsageError(`--output is "${output}"; expected a name that ends in .npy.`);
    checkStdinOnce('embed', images);
    const towers = [
      ...(images.length > 0 ? (['image'] as const) : []),
      ...(texts.length > 0 ? (['text'] as const) : []),
    ];
    const { model } = await openContrastiveModel('embed', values, terminal, towers);
    try {
      const rows: Float32Array[] = [];
      const { stdout, stderr, signal } = terminal;
      for await (const { input, embedding } of embedAll(model, images, texts, truncate, terminal)) {
        if (output === undefined)
          stdout.write(`${JSON.stringify({ ...input, embedding: [...embedding] })}\n`);
        else rows.push(embedding);
      }
      signal.throwIfAborted();
      if (output !== undefined) {
        await writeWhole(output, encodeNpy(rows, model.embeddingSize));
        stderr.write(`${output}: ${formatCount(rows.length)} embeddings of ${model.embeddingSize} values\n`);
      }
      return 0;
    } finally {
      model.dispose();
    }
  },
});

interface Embedded {
  readonly input: { readonly image: string } | { readonly text: string };
  readonly embedding: Float32Array;
}

/** A batch at a time, so that lines come early and few pictures are in memory. */
async function* embedAll(
  model: ContrastiveModel,
  images: readonly string[],
  texts: readonly string[],
  truncate: boolean,
  terminal: Terminal,
): AsyncGenerator<Embedded> {
  const { stderr, signal } = terminal;
  const progress = createProgressLine(stderr);
  try {
    for (let begin = 0; begin < images.length; begin += model.maxImageBatch) {
      progress.show(formatProgress('pictures', begin, images.length, `${begin} of ${images.length}`));
      const batch = images.slice(begin, begin + model.maxImageBatch);
      const sources = batch.map((image) => (image === STDIN ? readStdin(terminal) : image));
      const embeddings = await model.embedImage(await Promise.all(sources), { signal });
      progress.clear();
      for (const [i, embedding] of embeddings.entries())
        yield { input: { image: batch[i] ?? '' }, embedding };
    }
    const embeddings = await model.embedText(texts, { signal, truncate });
    for (const [i, embedding] of embeddings.entries()) yield { input: { text: texts[i] ?? '' }, embedding };
  } finally {
    progress.clear();
  }
}
