import { DTYPE_BYTES } from '../core/dtype.ts';
import { elementCount, type Shape } from '../core/shape.ts';
import { EXPRESSION_INPUTS, type Expression, elementwise } from '../ops/elementwise.ts';
import { type Named, required, type TensorType } from '../ops/op.ts';
import { functionSpec } from '../ops/scalar-functions.ts';
import { activationSnippets, erf } from '../wgsl/activation.ts';
import { f32Literal } from '../wgsl/literal.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
} from './element-threads.ts';
import { defineKernel, type KernelShape } from './kernel.ts';

const MAX_AXES = 5;
const LANE_NAMES = ['x', 'y', 'z', 'w'];

/**
 * y[i] = expression(x0[..], x1[..], ...), one thread per element or per four of them.
 * Axes that every input treats alike are merged, so that most calls have one axis (same shapes) or two (a row or
 * a column vector). The variant holds the expression and, per input, the merged axes it has: `'01'` is the whole
 * output, `'1'` a row vector, `''` a scalar. Computes in f32.
 */
export const elementwiseMap = defineKernel({
  name: 'elementwise_map',
  op: elementwise,
  bindings: { x0: 'read', x1: 'read?', x2: 'read?', x3: 'read?', x4: 'read?', x5: 'read?', y: 'write' },
  params: { count: 'u32', size0: 'u32', size1: 'u32', size2: 'u32', size3: 'u32', size4: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, outputs, attrs }) {
    const { shape } = required(outputs, 'y', 'elementwise_map');
    const axes = mergeAxes(shape, inputs);
    if (axes.length > MAX_AXES) return `${axes.length} distinct broadcast axes are over ${MAX_AXES}`;
    const kept = Object.keys(inputs).map((name) => [name, axesOf(name, axes)]);
    const size = (axis: number): number => axes[axis]?.size ?? 1;
    return {
      params: {
        count: elementCount(shape),
        size0: size(0),
        size1: size(1),
        size2: size(2),
        size3: size(3),
        size4: size(4),
      },
      variant: {
        expression: JSON.stringify(attrs.expression),
        axes: axes.length,
        ...Object.fromEntries(kept),
      },
    };
  },
  supports({ params, variant }, t) {
    const inner = Object.values(params)[Number(variant.axes)] ?? 1;
    return lanesDivide({ 'innermost size': inner }, t);
  },
  elements: (shape, t) =>
    laneElements(
      shape.dtypes,
      t,
      Object.keys(shape.dtypes).filter((name) => hasInnerAxis(shape, name)),
    ),
  wgsl(shape, t) {
    const expression = JSON.parse(String(shape.variant.expression)) as Expression;
    const names = EXPRESSION_INPUTS.filter((name) => name in shape.dtypes);
    const dtype = required(shape.dtypes, 'y', 'elementwise_map');
    return wgsl`
      ${usedSnippets(expression)}
      fn expression(${names.map((name) => `${name}: f32`).join(', ')}) -> f32 {
        ${expressionLines(expression)}
      }

      ${elementMain(
        t,
        wgsl`
          ${coordinateLines(shape, names)}
          ${names.map((name) => `let ${valueName(name)} = ${loadText(shape, name, t.lanes)};`)}
          ${storeLines(names, dtype, t.lanes)}
        `,
      )}
    `;
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes, variant }) {
    const sizes = [params.size0, params.size1, params.size2, params.size3, params.size4];
    const elements = (name: string): number =>
      [...String(variant[name])].reduce((product, axis) => product * (sizes[Number(axis)] ?? 1), 1);
    const bytesRead = EXPRESSION_INPUTS.filter((name) => name in dtypes).reduce(
      (sum, name) => sum + elements(name) * DTYPE_BYTES[required(dtypes, name, 'elementwise_map')],
      0,
    );
    const functions = (JSON.parse(String(variant.expression)) as Expression).filter((step) => 'fn' in step);
    return {
      flops: functions.length * params.count,
      bytesRead,
      bytesWritten: params.count * DTYPE_BYTES[required(dtypes, 'y', 'elementwise_map')],
    };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});

interface MergedAxis {
  readonly size: number;
  /** Inputs that have this axis; the others are broadcast along it. */
  readonly inputs: readonly string[];
}

/** The output's axes, outermost first, with neighbours merged where the same inputs have both. */
function mergeAxes(shape: Shape, inputs: Named<TensorType>): MergedAxis[] {
  const merged: MergedAxis[] = [];
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const having = Object.keys(inputs).filter((name) => inputs[name]?.shape.at(axis - shape.length) === size);
    const last = merged.at(-1);
    if (last && last.inputs.join() === having.join()) {
      merged[merged.length - 1] = { size: last.size * size, inputs: having };
    } else {
      merged.push({ size, inputs: having });
    }
  });
  return merged.length ? merged : [{ size: 1, inputs: Object.keys(inputs) }];
}

const axesOf = (name: string, axes: readonly MergedAxis[]): string =>
  axes.flatMap(({ inputs }, axis) => (inputs.includes(name) ? [axis] : [])).join('');

const allAxes = ({ variant }: KernelShape): string =>
  Array.from({ length: Number(variant.axes) }, (_, axis) => axis).join('');

const hasInnerAxis = (shape: KernelShape, name: string): boolean =>
  name === 'y' || String(shape.variant[name]).includes(String(Number(shape.variant.axes) - 1));

const valueName = (name: string): string => name.replace('x', 'value');

/** Position along each merged axis, innermost in units of LANES; nothing where no input needs one. */
function coordinateLines(shape: KernelShape, names: readonly string[]): string[] {
  const whole = allAxes(shape);
  const partial = names.some((name) => ![whole, ''].includes(String(shape.variant[name])));
  if (!partial) return [];
  const inner = Number(shape.variant.axes) - 1;
  const lines = [`let size${inner} = params.size${inner} / LANES;`];
  let before = 'i';
  for (let axis = inner; axis > 0; axis--) {
    const size = axis === inner ? `size${inner}` : `params.size${axis}`;
    lines.push(`let axis${axis} = ${before} % ${size};`, `let outer${axis} = ${before} / ${size};`);
    before = `outer${axis}`;
  }
  lines.push(`let axis0 = ${before};`);
  return lines;
}

/** An input's element or four, as f32 or vec4f. */
function loadText(shape: KernelShape, name: string, lanes: number): string {
  const element = `${name}[${indexText(shape, String(shape.variant[name]))}]`;
  if (lanes === 1) return `f32(${element})`;
  return hasInnerAxis(shape, name) ? `vec4f(${element})` : `vec4f(f32(${element}))`;
}

function indexText(shape: KernelShape, axes: string): string {
  if (axes === allAxes(shape)) return 'i';
  if (axes === '') return '0';
  const inner = Number(shape.variant.axes) - 1;
  return [...axes].reduce((outer, axis) => {
    if (outer === '') return `axis${axis}`;
    const size = Number(axis) === inner ? `size${axis}` : `params.size${axis}`;
    return `${outer.includes(' ') ? `(${outer})` : outer} * ${size} + axis${axis}`;
  }, '');
}

function storeLines(names: readonly string[], dtype: string, lanes: number): string[] {
  const lane = (component: string): string =>
    `expression(${names.map((name) => valueName(name) + component).join(', ')})`;
  if (lanes === 1) return [`y[i] = ${dtype}(${lane('')});`];
  return [
    'let result = vec4f(',
    ...LANE_NAMES.map((component) => `  ${lane(`.${component}`)},`),
    ');',
    `y[i] = vec4<${dtype}>(result);`,
  ];
}

/** One line per function call, the last of which returns; inputs and constants are written in place. */
function expressionLines(expression: Expression): string[] {
  const texts: string[] = [];
  const lines: string[] = [];
  for (const step of expression) {
    if ('input' in step) texts.push(step.input);
    else if ('constant' in step) texts.push(f32Literal(step.constant));
    else {
      const text = functionSpec(step.fn).wgsl(...step.args.map((at) => texts[at] ?? ''));
      texts.push(`t${lines.length}`);
      lines.push(texts.length === expression.length ? `return ${text};` : `let t${lines.length} = ${text};`);
    }
  }
  const last = expression.at(-1);
  return last && 'fn' in last ? lines : [...lines, `return ${texts.at(-1)};`];
}

function usedSnippets(expression: Expression) {
  const names = new Set<string>(expression.flatMap((step) => ('fn' in step ? [step.fn] : [])));
  const snippets = [erf, ...Object.values(activationSnippets)].filter(({ name }) => names.has(name));
  return snippets.reduce((text, snippet) => wgsl`${text}${snippet}`, wgsl``);
}
