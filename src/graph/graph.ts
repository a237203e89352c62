import type { DType, PackedDType } from '../core/dtype.ts';
import { InputError, invariant } from '../core/errors.ts';
import { elementCount, formatShape, type Shape } from '../core/shape.ts';
import type { Attrs, Named, Op } from '../ops/op.ts';
import { type ConstantData, type Node, Tensor, type TensorSource } from './tensor.ts';

/**
 * A list of nodes in the order they were built, which is a valid order to run them in.
 * Ops are added by the functions beside this file (`linear(x, w)`), never by hand.
 */
export class Graph {
  readonly nodes: Node[] = [];
  /** Tensors the caller can read after a run, by name. */
  readonly outputs = new Map<string, Tensor>();
  private readonly sources = new Map<string, Tensor>();
  private readonly namedTensors = new Map<string, Tensor>();
  private readonly labels = new Map<number, string>();
  private readonly scopes: string[] = [];
  private nextId = 0;

  /** A tensor the caller writes before each run. */
  input(name: string, shape: Shape, dtype: DType): Tensor {
    return this.declare({ kind: 'input', name }, shape, dtype);
  }

  /**
   * A checkpoint tensor, stored on the GPU as `dtype`, or as `packed` where all that reads it can read that. Asking
   * twice gives the same symbol.
   */
  weight(name: string, shape: Shape, dtype: DType, packed?: PackedDType): Tensor {
    return this.declare(packed ? { kind: 'weight', name, packed } : { kind: 'weight', name }, shape, dtype);
  }

  /** A tensor that keeps its values between runs; zero at first. */
  state(name: string, shape: Shape, dtype: DType): Tensor {
    return this.declare({ kind: 'state', name }, shape, dtype);
  }

  /** Values fixed now. Two constants of one name must hold the same values. */
  constant(name: string, data: ConstantData, shape: Shape): Tensor {
    invariant(
      data.length === elementCount(shape),
      `constant "${name}" has ${data.length} values for ${formatShape(shape)}`,
    );
    const dtype = data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u32';
    return this.declare({ kind: 'constant', name, data }, shape, dtype);
  }

  /** Makes `tensor` readable after a run under `name`. */
  output(name: string, tensor: Tensor): Tensor {
    if (this.outputs.has(name))
      throw new InputError(`graph: output "${name}" is declared twice; expected one tensor per name.`);
    this.outputs.set(name, tensor);
    return tensor;
  }

  /** Runs `build` with `name` added to the scope of every node and name made inside. */
  scope<T>(name: string, build: () => T): T {
    this.scopes.push(name);
    try {
      return build();
    } finally {
      this.scopes.pop();
    }
  }

  get scopeName(): string {
    return this.scopes.join('.');
  }

  /** Adds a node: infers its output types and returns its outputs by name. */
  apply<A extends Attrs>(op: Op<A>, inputs: Named<Tensor | undefined>, attrs: A): Named<Tensor> {
    const present: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      if (!tensor) continue;
      invariant(tensor.graph === this, `${op.name}: input "${name}" belongs to another graph`);
      present[name] = tensor;
    }
    const where = this.scopeName ? `${op.name} "${this.scopeName}"` : op.name;
    const types = op.infer(present, attrs, where);
    const outputs: Record<string, Tensor> = {};
    const node: Node = {
      id: this.nodes.length,
      op: op as unknown as Op,
      inputs: present,
      attrs,
      outputs,
      scope: this.scopeName,
    };
    for (const [output, type] of Object.entries(types)) {
      outputs[output] = new Tensor(this, this.nextId++, type.dtype, type.shape, { kind: 'op', node, output });
    }
    this.nodes.push(node);
    return outputs;
  }

  /** What a tensor is printed by: the name that `named` gave it, its source's, or a number. */
  nameOf(tensor: Tensor): string {
    const label = this.labels.get(tensor.id);
    if (label !== undefined) return label;
    return tensor.source.kind === 'op' ? `%${tensor.id}` : tensor.source.name;
  }

  /** A tensor may have several names; the first is the one it is printed by. */
  setName(tensor: Tensor, name: string): void {
    const full = this.scopeName ? `${this.scopeName}.${name}` : name;
    const owner = this.namedTensors.get(full);
    invariant(!owner || owner === tensor, `two tensors are named "${full}"`);
    this.namedTensors.set(full, tensor);
    if (!this.labels.has(tensor.id)) this.labels.set(tensor.id, full);
  }

  /** Intermediates by the names that `named` gave them, in that order. */
  get named(): ReadonlyMap<string, Tensor> {
    return this.namedTensors;
  }

  private declare(source: Exclude<TensorSource, { kind: 'op' }>, shape: Shape, dtype: DType): Tensor {
    const key = `${source.kind}:${source.name}`;
    const known = this.sources.get(key);
    if (known) {
      invariant(
        known.dtype === dtype && formatShape(known.shape) === formatShape(shape),
        `${key} is declared as ${known.dtype} ${formatShape(known.shape)} and as ${dtype} ${formatShape(shape)}`,
      );
      return known;
    }
    const tensor = new Tensor(this, this.nextId++, dtype, shape, source);
    this.sources.set(key, tensor);
    return tensor;
  }
}
