import { invariant } from '../core/errors.ts';
import type { CapturableTensor, CapturedTensor } from '../generate/captured.ts';
import type { PromptMedium } from '../generate/read-prompt.ts';
import {
  attentionLayers,
  attentionRow,
  hasClassToken,
  queryWeights,
  type TowerQuery,
  towerAttention,
} from '../look/attention.ts';
import { type HeatMap, tileMaps } from '../look/heat-map.ts';
import { attentionRollout } from '../look/rollout.ts';
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
import { UsageError } from './usage-error.ts';

/** Attention in each layer of a vision tower; of a pooling head where the picture's embedding is read by one. */
export async function towerAttentionSheet(looked: Looked): Promise<LookSheet> {
  const { opened, values } = looked;
  const pooling = opened.model.names().find(({ name }) => name === POOLING);
  if (pooling && (values.from ?? 'class') === 'class') return poolingSheet(looked);
  const { layers, medium, from } = await openTower(looked);
  const heads = Number(layers[0]?.shape[1]);
  const every = layers.map((_, i) => i);
  const chosen = choices(parseChoice('layer', values.layer, layers.length), layers.length, every);
  const headChoices = choices(parseChoice('head', values.head, heads), heads, [undefined]);
  const captured = await captureLayers(
    looked,
    chosen.map((layer) => layers[layer]),
  );
  const panels = chosen.flatMap((layer, i) =>
    headChoices.map((head): LookPanel => {
      const maps = towerAttention(captured[i] ?? NOTHING, medium, from, head);
      const facts = { layer, head: head ?? 'mean' };
      return { caption: `layer ${layer}`, note: headName(head), facts, maps, range: fromZero(maps) };
    }),
  );
  return {
    title: 'Attention within the vision tower',
    subtitle: `Where ${whose(from)} look${from === 'patches' ? '' : 's'}, layer by layer`,
    panels,
    columns: headChoices.length > 1 ? headChoices.length : undefined,
    scale: SHARE_SCALE,
    combine: 'add',
  };
}

/** Attention through all layers of a vision tower. */
export async function towerRolloutSheet(looked: Looked): Promise<LookSheet> {
  const { layers, medium, from } = await openTower(looked);
  const captured = await captureLayers(looked, layers);
  const [tiles = 1, , S = 0] = captured[0]?.shape ?? [];
  const values = new Float32Array(tiles * S);
  for (let tile = 0; tile < tiles; tile++)
    values.set(attentionRollout(captured, queryWeights(S, medium, from), { tile }), tile * S);
  const maps = tileMaps(medium, values);
  const caption = `through ${layers.length} layers`;
  const facts = { layers: layers.length };
  return {
    title: 'Attention rollout of the vision tower',
    subtitle: `What of the picture reaches ${whose(from)} ${caption}`,
    panels: [{ caption, note: `to ${whose(from)}`, facts, maps, range: fromZero(maps) }],
    scale: SHARE_SCALE,
    combine: 'add',
  };
}

/** Where SigLIP's embedding of a picture is read from. */
const POOLING = 'vision.head.attention.probabilities';

const NOTHING: CapturedTensor = { shape: [], values: new Float32Array() };

async function poolingSheet(looked: Looked): Promise<LookSheet> {
  if (looked.values.layer !== undefined)
    throw new UsageError('--layer: the pooling head has no layers; expected --from patches, or X,Y.');
  const { opened, picture, signal } = looked;
  const medium = await mediumOf(looked);
  const probabilities = tensorOf(await opened.model.capture([POOLING], { image: picture, signal }), POOLING);
  const [, heads = 0] = probabilities.shape;
  const choice = parseChoice('head', looked.values.head, heads);
  const panels = choices(choice, heads, [undefined]).map((head): LookPanel => {
    const maps: readonly HeatMap[] = tileMaps(medium, attentionRow(probabilities, { query: 0, head }));
    const facts = { head: head ?? 'mean' };
    return { caption: 'pooling head', note: headName(head), facts, maps, range: fromZero(maps) };
  });
  return {
    title: 'Attention of the pooling head',
    subtitle: "What the picture's embedding is read from",
    panels,
    scale: SHARE_SCALE,
    combine: 'add',
  };
}

interface Tower {
  /** Those that the model's result depends on. */
  readonly layers: readonly CapturableTensor[];
  readonly medium: PromptMedium;
  readonly from: TowerQuery;
}

async function openTower(looked: Looked): Promise<Tower> {
  const { opened, values } = looked;
  const medium = await mediumOf(looked);
  const layers = attentionLayers(opened.model.names(), 'vision').filter(({ used }) => used);
  const tokens = Number(layers[0]?.shape[2]);
  // A model that writes reads the patches, and often not the class token.
  const usual = opened.kind === 'compares' && hasClassToken(tokens, medium) ? 'class' : 'patches';
  return { layers, medium, from: parseFrom(values.from, usual) };
}

async function mediumOf({ opened, picture, signal }: Looked): Promise<PromptMedium> {
  const medium =
    opened.kind === 'writes'
      ? (await opened.model.readPrompt({ image: picture, signal })).media[0]
      : await opened.model.readPicture(picture);
  invariant(medium, 'the prompt has a picture');
  return medium;
}

async function captureLayers(
  { opened, picture, signal }: Looked,
  layers: readonly (CapturableTensor | undefined)[],
): Promise<CapturedTensor[]> {
  const names = layers.map((layer) => layer?.name ?? '');
  const captured = await opened.model.capture(names, { image: picture, signal });
  return names.map((name) => tensorOf(captured, name));
}

function parseFrom(given: string | undefined, usual: 'class' | 'patches'): TowerQuery {
  if (given === undefined) return usual;
  if (given === 'class' || given === 'patches') return given;
  const point = /^(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(given);
  const [x, y] = [Number(point?.[1]) / 100, Number(point?.[2]) / 100];
  if (x <= 1 && y <= 1) return { x, y };
  throw new UsageError(`--from is "${given}"; expected class, patches, or X,Y from 0 to 100.`);
}

function whose(from: TowerQuery): string {
  if (from === 'class') return 'the class token';
  return from === 'patches' ? 'all patches' : `the patch at ${100 * from.x},${100 * from.y}`;
}
