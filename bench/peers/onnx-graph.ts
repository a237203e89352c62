import protobuf from 'protobufjs';
import { float32ToFloat16 } from '../../src/core/float16.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';

/** Field numbers of the messages this writes: onnx/onnx.proto of ONNX 1.17. */
const SCHEMA = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        graph: { type: 'GraphProto', id: 7 },
        opsetImport: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 },
      },
    },
    OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    GraphProto: {
      fields: {
        node: { rule: 'repeated', type: 'NodeProto', id: 1 },
        name: { type: 'string', id: 2 },
        initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
        input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 },
      },
    },
    NodeProto: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 },
        domain: { type: 'string', id: 7 },
      },
    },
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        ints: { rule: 'repeated', type: 'int64', id: 8 },
        type: { type: 'int32', id: 20 },
      },
    },
    TensorProto: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1 },
        dataType: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
      },
    },
    ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
    TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
    TensorTypeProto: {
      fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } },
    },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'DimensionProto', id: 1 } } },
    DimensionProto: { fields: { dimValue: { type: 'int64', id: 1 } } },
  },
};

const ELEMENT_TYPES = { f32: 1, u8: 2, i32: 6, i64: 7, f16: 10 } as const;
const ATTRIBUTE_TYPES = { f: 1, i: 2, ints: 7 } as const;
const CONTRIB = 'com.microsoft';
const contribOps = new Set([
  'Gelu',
  'GroupQueryAttention',
  'MatMulNBits',
  'MultiHeadAttention',
  'QuickGelu',
  'SimplifiedLayerNormalization',
]);

export type OnnxDType = keyof typeof ELEMENT_TYPES;

/** Attributes of a node: an integer, a list of them, or `{ f }` for a float. */
export type OnnxAttributes = Readonly<Record<string, number | readonly number[] | { readonly f: number }>>;

/** An ONNX graph as it is written, node by node. */
export interface OnnxGraph {
  input(name: string, shape: Shape): string;
  /** f16 values are rounded; integers are given as their typed array. */
  constant(name: string, shape: Shape, dtype: OnnxDType, values: ArrayLike<number>): string;
  /** The first output of a new node; `outputs` is how many it has. */
  node(op: string, inputs: readonly string[], attributes?: OnnxAttributes, outputs?: number): string;
  /** The file, with one output. */
  encode(output: string, shape: Shape): Uint8Array;
}

/** Begins a graph of `dtype` inputs and outputs. */
export function onnxGraph(dtype: 'f32' | 'f16'): OnnxGraph {
  const nodes: object[] = [];
  const initializers = new Map<string, object>();
  const inputs: object[] = [];
  const valueInfo = (name: string, shape: Shape): object => ({
    name,
    type: {
      tensorType: { elemType: ELEMENT_TYPES[dtype], shape: { dim: shape.map((dimValue) => ({ dimValue })) } },
    },
  });
  return {
    input(name, shape) {
      inputs.push(valueInfo(name, shape));
      return name;
    },
    constant(name, shape, type, values) {
      if (values.length !== elementCount(shape))
        throw new Error(`${name}: ${values.length} values for ${shape}`);
      const rawData = bytesOf(type, values);
      initializers.set(name, { name, dims: [...shape], dataType: ELEMENT_TYPES[type], rawData });
      return name;
    },
    node(opType, nodeInputs, attributes = {}, outputs = 1) {
      const name = `${opType}.${nodes.length}`;
      const output = Array.from({ length: outputs }, (_, i) => `${name}:${i}`);
      const domain = contribOps.has(opType) && opType !== 'SimplifiedLayerNormalization' ? CONTRIB : '';
      const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
      nodes.push({ name, opType, domain, input: [...nodeInputs], output, attribute });
      return `${name}:0`;
    },
    encode(output, shape) {
      const type = protobuf.Root.fromJSON(SCHEMA).lookupType('ModelProto');
      const model = {
        irVersion: 8,
        opsetImport: [
          { domain: '', version: 17 },
          { domain: CONTRIB, version: 1 },
        ],
        graph: {
          name: 'case',
          node: nodes,
          initializer: [...initializers.values()],
          input: inputs,
          output: [valueInfo(output, shape)],
        },
      };
      return type.encode(type.create(model)).finish();
    },
  };
}

function attributeOf(name: string, value: OnnxAttributes[string]): object {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE_TYPES.i };
  if ('f' in value) return { name, f: value.f, type: ATTRIBUTE_TYPES.f };
  return { name, ints: [...value], type: ATTRIBUTE_TYPES.ints };
}

function bytesOf(dtype: OnnxDType, values: ArrayLike<number>): Uint8Array {
  const typed = {
    f32: () => Float32Array.from(values),
    f16: () => Uint16Array.from(Array.from(values, float32ToFloat16)),
    u8: () => Uint8Array.from(values),
    i32: () => Int32Array.from(values),
    i64: () => BigInt64Array.from(Array.from(values, BigInt)),
  }[dtype]();
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}
