import { InputError } from '../core/errors.ts';
import { captureGraph } from '../generate/capture-graph.ts';
import {
  addProbabilities,
  type CapturableTensor,
  type CapturedTensor,
  capturableTensors,
  checkNames,
  fixedTensors,
  stackCaptured,
} from '../generate/captured.ts';
import type { Graph } from '../graph/graph.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import { preprocess } from '../image/preprocess.ts';
import type { InputValue } from '../runtime/inputs.ts';
import type { ContrastiveAssets } from './contrastive-assets.ts';
import { buildImageGraph, buildTextGraph } from './graphs.ts';
import type { DualEncoderRuntime } from './tower-runner.ts';

/** What the towers are run on for `capture`. */
export interface CaptureTowersRequest {
  readonly image?: PictureSource | undefined;
  readonly text?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads intermediates of the towers. */
export interface TowerCapture {
  names(): readonly CapturableTensor[];
  capture(
    names: readonly string[],
    request: CaptureTowersRequest,
  ): Promise<ReadonlyMap<string, CapturedTensor>>;
}

/** `capture` of a dual encoder, in plans of its own. */
export function createTowerCapture(
  runtime: DualEncoderRuntime,
  { imageProcessor, textProcessor }: ContrastiveAssets,
): TowerCapture {
  const { model, weightScope, precision } = runtime;
  const imageGraph = (): Graph => buildImageGraph(model, weightScope, precision, 1);
  const textGraph = (seq: number): Graph => buildTextGraph(model, weightScope, precision, { batch: 1, seq });

  const names = (): CapturableTensor[] => {
    const { padding, maxPositionEmbeddings } = model.text;
    const ofImage = fixedTensors('vision', imageGraph());
    const ofText = capturableTensors('text', (seq) =>
      textGraph(padding === 'full' ? maxPositionEmbeddings : seq),
    );
    // Each tower calls what it gives `embeddings`; the towers' own names say which.
    return [...ofImage, ...ofText].filter(({ name }) => name !== 'embeddings');
  };

  const captureTower = async (
    graph: Graph,
    wanted: readonly string[],
    inputs: Readonly<Record<string, InputValue>>,
  ): Promise<[string, CapturedTensor][]> => {
    addProbabilities(graph, wanted);
    const [values = {}] = await captureGraph(runtime, graph, wanted, [inputs]);
    return stackCaptured(wanted, [[graph, values]]);
  };

  return {
    names,
    async capture(wanted, { image, text, signal }) {
      const known = names();
      checkNames(
        wanted,
        known.map(({ name }) => name),
      );
      const ofPart = (part: CapturableTensor['part']): string[] =>
        known
          .filter((tensor) => tensor.part === part && wanted.includes(tensor.name))
          .map(({ name }) => name);
      const [ofImage, ofText] = [ofPart('vision'), ofPart('text')];
      const captured = new Map<string, CapturedTensor>();
      const collect = (tensors: readonly [string, CapturedTensor][]): void => {
        for (const [name, tensor] of tensors) captured.set(name, tensor);
      };
      if (ofImage.length > 0) {
        if (image === undefined) throw nothingGiven(ofImage, 'vision', 'image');
        const picture = await loadPicture(image, signal && { signal });
        const { pixelValues } = preprocess(picture, imageProcessor);
        collect(await captureTower(imageGraph(), ofImage, { pixelValues }));
      }
      if (ofText.length > 0) {
        if (text === undefined) throw nothingGiven(ofText, 'text', 'text');
        const ids = textProcessor.encode(text, { truncate: false });
        const pooledRows = Uint32Array.of(model.pooledPosition(ids));
        collect(
          await captureTower(textGraph(ids.length), ofText, { ids: Uint32Array.from(ids), pooledRows }),
        );
      }
      return new Map(wanted.flatMap((name) => [...captured].filter(([own]) => own === name)));
    },
  };
}

const nothingGiven = (names: readonly string[], tower: string, field: string): InputError =>
  new InputError(
    `capture: "${names[0]}" is of the ${tower} tower, and no ${field} was given; expected one in the field "${field}".`,
  );
