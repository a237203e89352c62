import { InputError, invariant } from '../core/errors.ts';
import { nearestName } from '../core/nearest.ts';
import { dim, formatShape, type Shape, sameShape } from '../core/shape.ts';
import { attentionNodes, attentionProbabilities, type QueryRange } from '../graph/attention-probabilities.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import type { HostArray } from '../runtime/host-array.ts';
import { joined } from './capture-graph.ts';

/** A tensor that `capture` read. */
export interface CapturedTensor {
  readonly shape: Shape;
  /** Row-major. */
  readonly values: Float32Array;
}

/** A tensor that `capture` can read. */
export interface CapturableTensor {
  readonly name: string;
  /** The part of the model that it belongs to. */
  readonly part: 'vision' | 'decoder' | 'text';
  /** Whether what the part gives depends on it: not so in layers behind the one whose features are taken. */
  readonly used: boolean;
  /** `S` stands for the tokens of the prompt; of pictures, the shape of a usual one's. */
  readonly shape: readonly (number | string)[];
}

/** Shapes of all that can be read of a graph: outputs, named intermediates, and attention probabilities. */
export function capturableShapes(graph: Graph): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const [name, { shape }] of [...graph.named, ...graph.outputs]) shapes.set(name, shape);
  for (const [name, { inputs }] of attentionNodes(graph)) {
    const [B = 1, S = 1, H = 1] = inputs.q?.shape ?? [];
    shapes.set(name, [B, H, S, dim(inputs.k?.shape ?? [], 1)]);
  }
  return shapes;
}

/** Names of a graph's intermediates, outputs and attention probabilities that one of `results` depends on. */
export function usedNames(graph: Graph, results: readonly Tensor[]): ReadonlySet<string> {
  const needed = new Set<Tensor>(results);
  const used = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    if (!Object.values(node.outputs).some((tensor) => needed.has(tensor))) continue;
    used.add(node);
    for (const input of Object.values(node.inputs)) needed.add(input);
  }
  const tensors = [...graph.named, ...graph.outputs].filter(([, tensor]) => needed.has(tensor));
  const probabilities = [...attentionNodes(graph)].filter(([, node]) => used.has(node));
  return new Set([...tensors, ...probabilities].map(([name]) => name));
}

/** What can be read of a part whose graph is the same for every prompt. */
export function fixedTensors(part: CapturableTensor['part'], graph: Graph): CapturableTensor[] {
  const used = usedNames(graph, [...graph.outputs.values()]);
  return [...capturableShapes(graph)].map(([name, shape]) => ({ name, part, used: used.has(name), shape }));
}

/** What can be read of a part whose graph depends on the tokens it is given, of which `build` makes graphs. */
export function capturableTensors(
  part: CapturableTensor['part'],
  build: (tokens: number) => Graph,
): CapturableTensor[] {
  const [few, more] = [2, 3];
  const larger = capturableShapes(build(more));
  const dimension = (small: number, large: number | undefined): number | string => {
    if (small === large) return small;
    return small === few ? 'S' : `${small / few}S`;
  };
  return fixedTensors(part, build(few)).map((tensor) => ({
    ...tensor,
    shape: tensor.shape.map((size, axis) => dimension(Number(size), larger.get(tensor.name)?.[axis])),
  }));
}

/** Adds the attention probabilities among `names` to a graph. */
export function addProbabilities(graph: Graph, names: readonly string[], queries?: QueryRange): void {
  for (const [name, node] of attentionNodes(graph))
    if (names.includes(name)) graph.setName(attentionProbabilities(node, queries), name);
}

/** Throws InputError for a name that is none of `known`, with those that may be meant. */
export function checkNames(names: readonly string[], known: Iterable<string>): void {
  const list = [...known];
  for (const name of names) {
    if (list.includes(name)) continue;
    const near = nearestName(name, list);
    const hint = near ? `Did you mean "${near}"?` : 'names() lists them all.';
    throw new InputError(
      `capture: "${name}" is no tensor of this model; expected one of its ${list.length} names. ${hint}`,
    );
  }
}

/** Tensors of several runs of like graphs, one after another along the first axis. Throws InputError where they are not. */
export function stackCaptured(
  names: readonly string[],
  runs: readonly (readonly [graph: Graph, values: Readonly<Record<string, HostArray>>])[],
): [string, CapturedTensor][] {
  return names.map((name) => {
    const shapes = runs.map(([graph]) => shapeIn(graph, name));
    const [first = []] = shapes;
    const unlike = shapes.find((shape) => !sameShape(shape.slice(1), first.slice(1)));
    if (unlike) {
      throw new InputError(
        `capture: "${name}" is ${formatShape(first)} of one picture and ${formatShape(unlike)} of another; expected pictures of one size. Capture them one by one.`,
      );
    }
    const rows = shapes.reduce((sum, shape) => sum + (shape[0] ?? 1), 0);
    const values = joined(runs.map(([, values]) => values[name] ?? []));
    return [name, { shape: [rows, ...first.slice(1)], values }];
  });
}

function shapeIn({ named, outputs }: Graph, name: string): Shape {
  const tensor = outputs.get(name) ?? named.get(name);
  invariant(tensor, `"${name}" was captured and is not in the graph`);
  return tensor.shape;
}
