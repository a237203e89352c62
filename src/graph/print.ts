import { formatShape } from '../core/shape.ts';
import type { Attrs, AttrValue } from '../ops/op.ts';
import type { Graph } from './graph.ts';
import type { Node, Tensor } from './tensor.ts';

/**
 * The graph as text, a node per line and the outputs last:
 * `%3 = linear(x: %1, weight: "fc1.weight") {activation: null} -> f32 [1, 17, 64]  # layers.0.mlp`
 */
export function printGraph(graph: Graph): string {
  const outputs = [...graph.outputs].map(([name, tensor]) => `output ${name} = ${reference(tensor)}`);
  const names = new Map([...graph.named].map(([name, tensor]) => [tensor.id, name]));
  return [...graph.nodes.map((node) => printNode(node, names)), ...outputs].join('\n');
}

function printNode({ op, inputs, attrs, outputs, scope }: Node, names: ReadonlyMap<number, string>): string {
  const results = Object.entries(outputs);
  const made = results.map(([, tensor]) => reference(tensor)).join(', ');
  const types = results.map(([, { dtype, shape }]) => `${dtype} ${formatShape(shape)}`).join(', ');
  const args = Object.entries(inputs).map(([name, tensor]) => `${name}: ${reference(tensor)}`);
  const given = results.flatMap(([, tensor]) => names.get(tensor.id) ?? []);
  const remarks = [scope, ...given.map((name) => `"${name}"`)].filter(Boolean);
  return (
    `${made} = ${op.name}(${args.join(', ')})${printAttrs(attrs)} -> ${types}` +
    (remarks.length ? `  # ${remarks.join(' ')}` : '')
  );
}

/** Intermediates by number, all others by what they are and their name. */
function reference({ id, source }: Tensor): string {
  switch (source.kind) {
    case 'op':
      return `%${id}`;
    case 'weight':
      return source.rows ? `"${source.name}"[${source.rows.join(':')}]` : `"${source.name}"`;
    default:
      return `${source.kind} "${source.name}"`;
  }
}

function printAttrs(attrs: Attrs): string {
  const printed = Object.entries(attrs).map(([name, value]) => `${name}: ${printValue(value)}`);
  return printed.length ? ` {${printed.join(', ')}}` : '';
}

function printValue(value: AttrValue): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([name, inner]) => `${name}: ${printValue(inner)}`)
    .join(', ')}}`;
}
