import { similarity } from '../embed/scores.ts';
import { wordMaps } from '../look/logit-lens.ts';
import { similarityMap } from '../look/similarity.ts';
import { parseChoice } from './look-options.ts';
import type { Looked, LookSheet } from './look-sheet.ts';
import { UsageError } from './usage-error.ts';

/** Where in the picture each text is. */
export async function lookSimilarity({
  opened: { kind, model },
  picture,
  values: { text: texts, layer: given, prompt },
  signal,
}: Looked): Promise<LookSheet> {
  if (kind === 'compares') {
    if (given !== undefined || prompt !== undefined)
      throw new UsageError('--layer and --prompt are for a model that writes; expected --text alone.');
    const patches = await model.embedPatches(picture, { signal });
    const [whole, embeddings] = [
      await model.embedImage(picture, { signal }),
      await model.embedText(texts, { signal }),
    ];
    return {
      title: 'Where the text is in the picture',
      subtitle: 'Cosine of each patch, seen alone by the last attention, with the text',
      panels: embeddings.map((text, i) => {
        const map = similarityMap(patches, text);
        const [least, largest] = [Math.min(...map.values), Math.max(...map.values)];
        const note = `${least.toFixed(2)} to ${largest.toFixed(2)}, whole picture ${similarity(whole, text).toFixed(2)}`;
        const facts = { text: texts[i] ?? '', whole: similarity(whole, text) };
        return { caption: texts[i] ?? '', note, facts, maps: [map] };
      }),
      scale: ['least alike', 'most alike'],
    };
  }
  const layers = model.model.text.numHiddenLayers;
  const choice = parseChoice('layer', given, layers + 1);
  const shown = choice === 'all' ? Array.from({ length: layers + 1 }, (_, i) => i) : [choice ?? layers];
  const panels: LookSheet['panels'][number][] = [];
  for (const layer of shown) {
    const maps = await wordMaps(
      model,
      { image: picture, ...(prompt !== undefined && { prompt }), signal },
      texts,
      { layer },
    );
    for (const [i, word] of maps.entries()) {
      const largest = Math.max(...word.maps.flatMap(({ values }) => [...values]));
      const note = `${shown.length > 1 ? `layer ${layer} · ` : ''}“${word.text}” at most ${(100 * largest).toFixed(largest < 0.1 ? 2 : 0)} %`;
      const facts = { text: texts[i] ?? '', token: word.text, layer };
      panels.push({ caption: texts[i] ?? '', note, facts, maps: word.maps, range: [0, largest] });
    }
  }
  return {
    title: 'Where the word is in the picture',
    subtitle: `How likely the decoder would write it after each image token (${shown.length > 1 ? 'each layer' : `after layer ${shown[0]} of ${layers}`})`,
    panels,
    columns: shown.length > 1 ? texts.length : undefined,
    scale: ['never', 'where likeliest'],
  };
}
