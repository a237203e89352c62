import { storageByteLength } from '../../core/dtype.ts';
import { UnsupportedError } from '../../core/errors.ts';
import { dim, type Shape } from '../../core/shape.ts';
import { type ElementwiseAttrs, EXPRESSION_INPUTS, elementwise } from '../../ops/elementwise.ts';
import { type EmbeddingAttrs, embedding } from '../../ops/embedding.ts';
import { linear } from '../../ops/linear.ts';
import { CONCAT_INPUTS, concat, slice } from '../../ops/movement.ts';
import { type Attrs, type Op, required } from '../../ops/op.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';

/**
 * A weight over `maxBindingBytes` becomes several of whole rows; linear computes its columns part by part and joins
 * them, embedding adds up the parts, all of which but one give zeros. Equal tensors are cut alike, so that tied
 * weights stay shared.
 */
export function splitWeightRules(maxBindingBytes: number): readonly RewriteRule[] {
  const known = new Map<IrTensor, readonly Part[]>();
  const partsOf = ({ inputs: { weight }, scope }: IrNode): readonly Part[] | undefined => {
    if (weight?.source.kind !== 'weight' || weight.source.rows) return undefined;
    if (storageByteLength(weight.dtype, weight.shape) <= maxBindingBytes) return undefined;
    const parts = known.get(weight) ?? cutRows(weight, weight.source.name, maxBindingBytes, scope);
    known.set(weight, parts);
    return parts;
  };
  const rule = (name: string, op: RewriteRule['op'], split: typeof splitLinear): RewriteRule => ({
    name,
    op,
    rewrite(node) {
      const parts = partsOf(node);
      return parts && { nodes: split(node, parts) };
    },
  });
  return [rule('split linear', linear, splitLinear), rule('split embedding', embedding, splitEmbedding)];
}

interface Part {
  readonly weight: IrTensor;
  readonly begin: number;
  readonly end: number;
}

/** Kernels read and write vectors of four; parts of a multiple of it keep that possible. */
const ROW_MULTIPLE = 8;

/** Whole rows of `weight`, as even as can be, each part within one binding. */
function cutRows({ dtype, shape }: IrTensor, name: string, maxBindingBytes: number, scope: string): Part[] {
  const rows = dim(shape, 0);
  // Of 8 rows, since a single one may be rounded up to whole words.
  const rowBytes = storageByteLength(dtype, shape.with(0, ROW_MULTIPLE)) / ROW_MULTIPLE;
  const most = Math.floor(maxBindingBytes / rowBytes / ROW_MULTIPLE) * ROW_MULTIPLE;
  if (most === 0) {
    throw new UnsupportedError(
      `compile "${scope}": ${ROW_MULTIPLE} rows of weight "${name}" take ${ROW_MULTIPLE * rowBytes} bytes; expected at most ${maxBindingBytes}, the largest binding of this adapter.`,
    );
  }
  const size = Math.min(most, Math.ceil(rows / Math.ceil(rows / most) / ROW_MULTIPLE) * ROW_MULTIPLE);
  const parts: Part[] = [];
  for (let begin = 0; begin < rows; begin += size) {
    const end = Math.min(rows, begin + size);
    const source = { kind: 'weight', name, rows: [begin, end] } as const;
    const weight = { name: `${name}[${begin}:${end}]`, dtype, shape: shape.with(0, end - begin), source };
    parts.push({ begin, end, weight });
  }
  return parts;
}

function splitLinear(node: IrNode, parts: readonly Part[]): IrNode[] {
  const nodes: IrNode[] = [];
  const { bias, residual } = node.inputs;
  const y = required(node.outputs, 'y', node.op.name);
  const axis = y.shape.length - 1;
  let columns = parts.map(({ weight, begin, end }) => {
    const cut = (tensor: IrTensor): IrTensor => {
      const last = tensor.shape.length - 1;
      const shape = tensor.shape.with(last, end - begin);
      return append(nodes, node, slice, { x: tensor }, { axis: last, begin, end }, madeOf(tensor, shape));
    };
    const inputs = {
      ...node.inputs,
      weight,
      ...(bias && { bias: cut(bias) }),
      ...(residual && { residual: cut(residual) }),
    };
    return append(nodes, node, linear, inputs, node.attrs, madeOf(y, y.shape.with(axis, end - begin)));
  });
  while (columns.length > 1) {
    columns = inGroups(columns, CONCAT_INPUTS.length).map((group, _, groups) => {
      const width = group.reduce((sum, { shape }) => sum + dim(shape, -1), 0);
      const joined = groups.length === 1 ? y : madeOf(y, y.shape.with(axis, width));
      return join(nodes, node, concat, group, { axis }, joined);
    });
  }
  return nodes;
}

function splitEmbedding(node: IrNode, parts: readonly Part[]): IrNode[] {
  const nodes: IrNode[] = [];
  const y = required(node.outputs, 'y', node.op.name);
  const { rowOffset } = node.attrs as EmbeddingAttrs;
  let sums = parts.map(({ weight, begin }) => {
    const attrs = { ...node.attrs, rowOffset: rowOffset + begin };
    return append(nodes, node, embedding, { ...node.inputs, weight }, attrs, madeOf(y, y.shape));
  });
  while (sums.length > 1) {
    sums = inGroups(sums, EXPRESSION_INPUTS.length).map((group, _, groups) =>
      join(
        nodes,
        node,
        elementwise,
        group,
        sumOf(group.length),
        groups.length === 1 ? y : madeOf(y, y.shape),
      ),
    );
  }
  return nodes;
}

/** x0 + x1 + ... */
function sumOf(count: number): ElementwiseAttrs {
  const inputs = EXPRESSION_INPUTS.slice(0, count).map((input) => ({ input }));
  const sums = inputs.slice(1).map((_, i) => ({
    fn: 'add' as const,
    args: [i === 0 ? 0 : count + i - 1, i + 1],
  }));
  return { expression: [...inputs, ...sums] };
}

/** Adds a node of one output to `nodes`; gives the output. A list of one needs no node. */
function join<A extends Attrs>(
  nodes: IrNode[],
  node: IrNode,
  op: Op<A>,
  group: readonly IrTensor[],
  attrs: A,
  y: IrTensor,
): IrTensor {
  const [only] = group;
  if (only && group.length === 1) return only;
  return append(nodes, node, op, Object.fromEntries(group.map((part, i) => [`x${i}`, part])), attrs, y);
}

function append<A extends Attrs>(
  nodes: IrNode[],
  node: IrNode,
  op: Op<A>,
  inputs: Readonly<Record<string, IrTensor>>,
  attrs: A,
  y: IrTensor,
): IrTensor {
  nodes.push({ ...node, op: op as unknown as Op, inputs, attrs, outputs: { y }, fused: [op.name] });
  return y;
}

const madeOf = ({ name, dtype }: IrTensor, shape: Shape): IrTensor => ({
  name: `part of ${name}`,
  dtype,
  shape,
  source: { kind: 'op' },
});

function inGroups<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}
