import { DeviceError } from '../core/errors.ts';
import { type Faults, tidy } from './faults.ts';

/** Compute pipelines of one device, made once per text, layout and constants. */
export interface PipelineCache {
  computePipeline(
    label: string,
    wgsl: string,
    layout?: GPUPipelineLayout | 'auto',
    constants?: Readonly<Record<string, number>>,
  ): Promise<GPUComputePipeline>;
  /** How many different pipelines were made. */
  readonly size: number;
  clear(): void;
}

/** Makes an empty cache; failures are not kept, so that a second call reports them again. */
export function createPipelineCache(gpu: GPUDevice, faults: Faults): PipelineCache {
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  const layoutIds = new WeakMap<GPUPipelineLayout, number>();
  let nextLayoutId = 0;

  const layoutKey = (layout: GPUPipelineLayout | 'auto') => {
    if (layout === 'auto') return layout;
    const id = layoutIds.get(layout) ?? nextLayoutId++;
    layoutIds.set(layout, id);
    return `#${id}`;
  };

  return {
    async computePipeline(label, wgsl, layout = 'auto', constants = {}) {
      faults.check(label);
      const key = `${layoutKey(layout)} ${JSON.stringify(Object.entries(constants).sort())}\n${wgsl}`;
      const cached = pipelines.get(key);
      if (cached) return cached;
      const made = makePipeline(gpu, faults, label, wgsl, layout, constants);
      pipelines.set(key, made);
      made.catch(() => pipelines.delete(key));
      return made;
    },
    get size() {
      return pipelines.size;
    },
    clear() {
      pipelines.clear();
    },
  };
}

async function makePipeline(
  gpu: GPUDevice,
  faults: Faults,
  label: string,
  wgsl: string,
  layout: GPUPipelineLayout | 'auto',
  constants: Readonly<Record<string, number>>,
): Promise<GPUComputePipeline> {
  const where = `pipeline ${label}`;
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ label, code: wgsl });
  const moduleFault = gpu.popErrorScope();
  const pipeline = gpu.createComputePipelineAsync({
    label,
    layout,
    compute: { module, constants: { ...constants } },
  });
  // Settled together: when the module is bad both fail, and only the module's story is worth telling.
  const [moduleResult, pipelineResult] = await Promise.allSettled([
    faults.guard(where, moduleFault),
    faults.guard(where, pipeline),
  ]);
  if (moduleResult.status === 'rejected') throw moduleResult.reason;
  if (moduleResult.value) {
    const info = await faults.guard(where, module.getCompilationInfo());
    throw new DeviceError(compilationMessage(where, wgsl, info, moduleResult.value.message), {
      cause: moduleResult.value,
    });
  }
  if (pipelineResult.status === 'rejected') throw pipelineResult.reason;
  faults.check(where);
  return pipelineResult.value;
}

function compilationMessage(where: string, wgsl: string, info: GPUCompilationInfo, fallback: string): string {
  const errors = info.messages.filter((message) => message.type === 'error');
  if (errors.length === 0) return `${where}: the shader does not compile: ${tidy(fallback)}`;
  const sourceLines = wgsl.split('\n');
  const shown = errors.map((error) => {
    const source = sourceLines[error.lineNum - 1] ?? '';
    const caret = ' '.repeat(Math.max(0, error.linePos - 1));
    const gutter = `${error.lineNum} | `;
    return (
      `  line ${error.lineNum}:${error.linePos}: ${error.message}\n` +
      `    ${gutter}${source}\n    ${' '.repeat(gutter.length)}${caret}^`
    );
  });
  return `${where}: the shader does not compile, ${errors.length} error(s).\n${shown.join('\n')}`;
}
