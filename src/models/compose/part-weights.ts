import { WeightError } from '../../core/errors.ts';
import type { TensorIndex } from '../../weights/safetensors.ts';
import { PART_PREFIXES } from './compose-vlm.ts';

/** Tensors below `from` of a checkpoint, which a composed model finds below `to`. '' is the root. */
interface Move {
  readonly from: string;
  readonly to: string;
}

/** A tensor that every checkpoint of a part has, and what is moved from where it lies. */
interface Place {
  readonly holds: string;
  readonly moves: readonly Move[];
}

const tower = (from: string): Place => ({
  holds: join(from, 'embeddings.patch_embedding.weight'),
  moves: [{ from, to: PART_PREFIXES.encoder }],
});

const decoder = (body: string, head: string): Place => ({
  holds: join(body, 'embed_tokens.weight'),
  moves: [
    { from: body, to: `${PART_PREFIXES.decoder}.model` },
    { from: join(head, 'lm_head'), to: `${PART_PREFIXES.decoder}.lm_head` },
  ],
});

/** Alone or in a dual encoder, in a vision language model, and its bare layers, as transformers 4.x and 5.x spell them. */
const TOWERS: readonly Place[] = [
  'vision_model',
  'vision_tower.vision_model',
  'vision_tower',
  'model.vision_tower.vision_model',
  'model.vision_tower',
  '',
].map(tower);

/** A language model, and those within vision language models. */
const DECODERS: readonly Place[] = [
  decoder('model', ''),
  decoder('language_model.model', 'language_model'),
  decoder('model.language_model', ''),
  decoder('model.text_model', ''),
];

/** The tensors of a checkpoint's vision tower, by the names a composed model gives them. Throws WeightError where it has none. */
export const towerWeights = (index: TensorIndex, where: string): TensorIndex =>
  moved(index, TOWERS, `${where}: has no vision tower`);

/** The tensors of a checkpoint's language model, by the names a composed model gives them. Throws WeightError where it has none. */
export const decoderWeights = (index: TensorIndex, where: string): TensorIndex =>
  moved(index, DECODERS, `${where}: has no language model`);

/** The tensors of a projector, alone or in a vision language model, by the names a composed model gives them. */
export function projectorWeights(index: TensorIndex): TensorIndex {
  const places = ['multi_modal_projector', 'model.multi_modal_projector', 'model.connector', 'abstractor'];
  const names = [...index.keys()];
  const from = places.find((place) => names.some((name) => name.startsWith(`${place}.`))) ?? '';
  return rename(index, [{ from, to: PART_PREFIXES.projector }]);
}

function moved(index: TensorIndex, places: readonly Place[], problem: string): TensorIndex {
  const place = places.find(({ holds }) => index.has(holds));
  if (place) return rename(index, place.moves);
  throw new WeightError(
    `${problem} among its ${index.size} tensors; expected one of ${places.map(({ holds }) => holds).join(', ')}.`,
  );
}

function rename(index: TensorIndex, moves: readonly Move[]): TensorIndex {
  return new Map(
    [...index].flatMap(([name, entry]) => {
      const move = moves.find(({ from }) => from === '' || name.startsWith(`${from}.`));
      if (!move) return [];
      const moved = join(move.to, move.from === '' ? name : name.slice(move.from.length + 1));
      return [[moved, { ...entry, name: moved }] as const];
    }),
  );
}

function join(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}
