import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import { attentionLayers, attentionRow, attentionToPicture } from '../look/attention.ts';
import { attentionRollout } from '../look/rollout.ts';
import { answerPicture } from './look-answer.ts';
import { choices, parseChoice } from './look-options.ts';
import {
  fromZero,
  headName,
  type Looked,
  type LookPanel,
  type LookSheet,
  SHARE_SCALE,
  tensorOf,
} from './look-sheet.ts';

/** Where a decoder looks as it writes each token of its answer. */
export async function decoderAttention({
  opened: model,
  picture,
  values,
  signal,
}: Looked<VisionLanguageModel>): Promise<LookSheet> {
  const { numHiddenLayers, numAttentionHeads } = model.model.text;
  const layers = attentionLayers(model.names(), 'decoder').map(({ name }) => name);
  const layerChoices = choices(parseChoice('layer', values.layer, numHiddenLayers), layers.length, [
    'mean',
  ] as const);
  const headChoices = choices(parseChoice('head', values.head, numAttentionHeads), numAttentionHeads, [
    undefined,
  ]);
  const { request, question, text, tokens } = await answerPicture(model, picture, values, signal);
  const needed = layerChoices.flatMap((layer) => (layer === 'mean' ? layers : [layers[layer] ?? '']));
  const writers = tokens.map(({ writer }) => writer);
  const begin = Math.min(...writers);
  const captured = await model.capture(needed, { ...request, queries: [begin, Math.max(...writers) + 1] });
  const prompt = await model.readPrompt(request);
  const panels = tokens.flatMap(({ text: caption, index, writer }) =>
    layerChoices.flatMap((layer) =>
      headChoices.map((head): LookPanel => {
        const names = layer === 'mean' ? layers : [layers[layer] ?? ''];
        const rows = names.map((name) =>
          attentionRow(tensorOf(captured, name), { query: writer - begin, head }),
        );
        const { maps, share } = attentionToPicture(meanOf(rows), prompt);
        const where = [
          ...(layerChoices.length > 1 ? [`layer ${layer}`] : []),
          ...(headChoices.length > 1 ? [`head ${head}`] : []),
        ];
        return {
          caption,
          note: [...where, `${percent(share)}${where.length > 0 ? '' : ' on the picture'}`].join(' · '),
          facts: { token: caption, index, layer, head: head ?? 'mean', share },
          maps,
          range: fromZero(maps),
        };
      }),
    ),
  );
  const of = `${layerChoices.length === 1 ? layerName(layerChoices[0]) : 'each layer'}, ${
    headChoices.length === 1 ? headName(headChoices[0]) : 'each head'
  }`;
  return {
    title: `“${text.trim()}”`,
    subtitle: `Where the decoder looked as it wrote each word in answer to “${question}” (${of})`,
    panels,
    columns: columnsOf(tokens.length, layerChoices.length, headChoices.length),
    scale: SHARE_SCALE,
    combine: 'add',
  };
}

/** What of the picture reaches each token of a decoder's answer through all layers. */
export async function decoderRollout({
  opened: model,
  picture,
  values,
  signal,
}: Looked<VisionLanguageModel>): Promise<LookSheet> {
  const layers = attentionLayers(model.names(), 'decoder').map(({ name }) => name);
  const { request, question, text, tokens } = await answerPicture(model, picture, values, signal);
  const captured = await model.capture(layers, request);
  const prompt = await model.readPrompt(request);
  const attention = layers.map((name) => tensorOf(captured, name));
  return {
    title: `“${text.trim()}”`,
    subtitle: `Rollout: what of the picture reaches each word through all layers, in answer to “${question}”`,
    panels: tokens.map(({ text: caption, index, writer }) => {
      const weights = new Float32Array(prompt.tokenIds.length);
      weights[writer] = 1;
      const { maps, share } = attentionToPicture(attentionRollout(attention, weights), prompt);
      const facts = { token: caption, index, share };
      return { caption, note: `${percent(share)} from the picture`, facts, maps, range: fromZero(maps) };
    }),
    scale: SHARE_SCALE,
    combine: 'add',
  };
}

function meanOf(rows: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = rows;
  return first.map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? Number.NaN), 0) / rows.length);
}

/** One row per token where several things vary, else as the sheet has it. */
const columnsOf = (tokens: number, layers: number, heads: number): number | undefined => {
  if (heads > 1) return heads;
  return layers > 1 && tokens > 0 ? layers : undefined;
};

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const layerName = (layer: number | 'mean' | undefined): string =>
  typeof layer === 'number' ? `layer ${layer}` : 'mean of all layers';
