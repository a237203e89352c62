import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { float16ToFloat32, float32ToFloat16 } from '../core/float16.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import {
  defineOp,
  type Named,
  type Reference,
  type ReferenceTensor,
  required,
  type TensorType,
} from './op.ts';

export type LayerNormAttrs = { readonly eps: number };
/** `offset` is added to the weight: 1 in Gemma, which stores weight - 1, else 0. */
export type RmsNormAttrs = { readonly eps: number; readonly offset: number };

/**
 * y = (x - mean) / sqrt(variance + eps) * weight + bias over the last axis (Ba et al. 2016).
 * x [..., C], weight [C], bias [C] → y like x.
 */
export const layerNorm = defineOp<LayerNormAttrs>({
  name: 'layerNorm',
  inputs: ['x', 'weight', 'bias?'],
  infer: (inputs, _attrs, where) => ({ y: checkNorm(inputs, where) }),
});

export const layerNormReference: Reference<LayerNormAttrs> = (inputs, { eps }) => ({
  y: layerNormRows(required(inputs, 'x', 'layerNorm').data, inputs, eps),
});

/**
 * y = x / sqrt(mean(x²) + eps) * (offset + weight) over the last axis (Zhang and Sennrich 2019).
 * x [..., C], weight [C] → y like x.
 */
export const rmsNorm = defineOp<RmsNormAttrs>({
  name: 'rmsNorm',
  inputs: ['x', 'weight'],
  infer: (inputs, _attrs, where) => ({ y: checkNorm(inputs, where) }),
});

export const rmsNormReference: Reference<RmsNormAttrs> = (inputs, attrs) => ({
  y: rmsNormRows(required(inputs, 'x', 'rmsNorm').data, inputs, attrs),
});

/** sum = x + residual; y = layerNorm(sum as stored). x, residual [..., C] → sum, y like x. */
export const addLayerNorm = defineOp<LayerNormAttrs>({
  name: 'addLayerNorm',
  inputs: ['x', 'residual', 'weight', 'bias?'],
  infer: (inputs, _attrs, where) => checkAddNorm(inputs, where),
});

export const addLayerNormReference: Reference<LayerNormAttrs> = (inputs, { eps }) => {
  const sum = addRows(inputs);
  return { sum, y: layerNormRows(sum, inputs, eps) };
};

/** sum = x + residual; y = rmsNorm(sum as stored). x, residual [..., C] → sum, y like x. */
export const addRmsNorm = defineOp<RmsNormAttrs>({
  name: 'addRmsNorm',
  inputs: ['x', 'residual', 'weight'],
  infer: (inputs, _attrs, where) => checkAddNorm(inputs, where),
});

export const addRmsNormReference: Reference<RmsNormAttrs> = (inputs, attrs) => {
  const sum = addRows(inputs);
  return { sum, y: rmsNormRows(sum, inputs, attrs) };
};

function checkNorm(inputs: Named<TensorType>, where: string): TensorType {
  const x = required(inputs, 'x', where);
  if (!isFloat(x.dtype) || x.shape.length === 0) {
    throw new ShapeError(
      `${where}: x is ${x.dtype} ${formatShape(x.shape)}; expected a float tensor of rank 1 or more.`,
    );
  }
  const features = dim(x.shape, -1);
  for (const [name, tensor] of Object.entries({
    weight: required(inputs, 'weight', where),
    bias: inputs.bias,
  })) {
    if (!tensor || (isFloat(tensor.dtype) && sameShape(tensor.shape, [features]))) continue;
    throw new ShapeError(
      `${where}: x has ${features} features (${formatShape(x.shape)}) but ${name} is ${tensor.dtype} ` +
        `${formatShape(tensor.shape)}; expected a float tensor [${features}].`,
    );
  }
  return { dtype: x.dtype, shape: x.shape };
}

function checkAddNorm(inputs: Named<TensorType>, where: string): Named<TensorType> {
  const y = checkNorm(inputs, where);
  const residual = required(inputs, 'residual', where);
  if (!isFloat(residual.dtype) || !sameShape(residual.shape, y.shape)) {
    throw new ShapeError(
      `${where}: residual is ${residual.dtype} ${formatShape(residual.shape)}; expected floats shaped like x, ` +
        `${formatShape(y.shape)}.`,
    );
  }
  return { sum: y, y };
}

/** Rounded to f16 where it is stored so: what follows in the model reads the stored sum, and so does the norm. */
function addRows(inputs: Named<ReferenceTensor>): Float64Array {
  const x = required(inputs, 'x', 'add');
  const residual = required(inputs, 'residual', 'add').data;
  const sum = x.data.map((value, i) => value + (residual[i] ?? Number.NaN));
  return x.dtype === 'f16' ? sum.map((value) => float16ToFloat32(float32ToFloat16(value))) : sum;
}

function layerNormRows(x: Float64Array, inputs: Named<ReferenceTensor>, eps: number): Float64Array {
  const weight = required(inputs, 'weight', 'layerNorm').data;
  const bias = inputs.bias?.data;
  return mapRows(x, weight.length, (row) => {
    const mean = row.reduce((sum, v) => sum + v, 0) / row.length;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
    const scale = 1 / Math.sqrt(variance + eps);
    return row.map((v, c) => (v - mean) * scale * (weight[c] ?? Number.NaN) + (bias?.[c] ?? 0));
  });
}

function rmsNormRows(
  x: Float64Array,
  inputs: Named<ReferenceTensor>,
  { eps, offset }: RmsNormAttrs,
): Float64Array {
  const weight = required(inputs, 'weight', 'rmsNorm').data;
  return mapRows(x, weight.length, (row) => {
    const scale = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / row.length + eps);
    return row.map((v, c) => v * scale * (offset + (weight[c] ?? Number.NaN)));
  });
}

function mapRows(x: Float64Array, cols: number, map: (row: Float64Array) => Float64Array): Float64Array {
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += cols) y.set(map(x.subarray(start, start + cols)), start);
  return y;
}
