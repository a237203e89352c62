import type { KernelProgress, KernelReport, KernelRow } from '../protocol.ts';
import { showBars } from './bars.ts';
import { announce, create, element, isStopped, showError } from './elements.ts';
import { type EngineClient, withProgress } from './engine-client.ts';
import { createMosaic } from './mosaic.ts';
import { number, percent } from './quantities.ts';
import { drawRoofline } from './roofline.ts';

export interface KernelsView {
  /** Lists the kernels, the first time. */
  open(): Promise<void>;
}

/** Ticked at first: what most of a model's time goes to. */
const USUAL = new Set([
  'matmul',
  'linear',
  'matvec',
  'softmax',
  'layerNorm',
  'attention',
  'attention decode',
]);

export function createKernelsView(engine: EngineClient): KernelsView {
  const form = element('kernels-form', HTMLFormElement);
  const list = element('kernel-list', HTMLElement);
  const run = element('kernels-run', HTMLButtonElement);
  const stop = element('kernels-stop', HTMLButtonElement);
  const download = element('kernels-download', HTMLButtonElement);
  const status = element('kernels-status', HTMLElement);
  const bar = element('kernels-progress', HTMLElement);
  const errorLine = element('kernels-error', HTMLElement);
  const mosaic = createMosaic(bar, 60);
  let report: KernelReport | undefined;

  const boxes = (): HTMLInputElement[] => [...list.querySelectorAll('input')];
  const measure = async (): Promise<void> => {
    const ops = boxes()
      .filter(({ checked }) => checked)
      .map(({ value }) => value);
    [run.disabled, stop.hidden, download.hidden, bar.hidden] = [true, false, true, false];
    showError(errorLine, undefined);
    mosaic.show(0);
    const onProgress = ({ done, total, what }: KernelProgress): void => {
      mosaic.show(done / total);
      status.textContent = what.startsWith('limits')
        ? `Measuring the ${what}`
        : `${done} of ${total - 2}: ${what}`;
    };
    try {
      const seconds = Number(element('seconds', HTMLSelectElement).value);
      report = await withProgress(onProgress, (listener) => engine.benchKernels(ops, seconds, listener));
      showReport(report);
      download.hidden = false;
      status.textContent = `${report.rows.length} kernels on ${report.adapter}.`;
      announce('The measurement is done.');
    } catch (error) {
      status.textContent = isStopped(error) ? 'Stopped.' : '';
      if (!isStopped(error)) showError(errorLine, error);
    } finally {
      [run.disabled, stop.hidden, bar.hidden] = [false, true, true];
    }
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!run.disabled) void measure();
  });
  stop.addEventListener('click', () => void engine.stop());
  download.addEventListener('click', () => {
    if (report) saveJson(report, `tessera-kernels-${report.measuredAt.slice(0, 10)}.json`);
  });
  for (const [id, checked] of [
    ['kernels-all', true],
    ['kernels-none', false],
  ] as const) {
    element(id, HTMLButtonElement).addEventListener('click', () => {
      for (const box of boxes()) box.checked = checked;
    });
  }
  return {
    async open() {
      if (list.childElementCount > 0) return;
      const names = await engine.kernelNames();
      list.replaceChildren(
        ...names.map((name) => {
          const box = create('input', { type: 'checkbox', value: name });
          box.checked = USUAL.has(name);
          return create('label', { class: 'check' }, box, create('span', {}, name));
        }),
      );
    },
  };
}

function showReport({ rows, peak, failures }: KernelReport): void {
  element('kernels-results', HTMLElement).hidden = false;
  drawRoofline(element('roofline', SVGSVGElement), rows, peak);
  showBars(
    element('kernel-bars', HTMLOListElement),
    rows
      .toSorted((a, b) => b.fraction - a.fraction)
      .map(({ op, shape, dtype, fraction }) => ({ name: op, note: `${shape} ${dtype}`, fraction })),
  );
  element('kernel-rows', HTMLTableSectionElement).replaceChildren(...rows.map(tableRow));
  if (failures.length > 0) {
    const reasons = failures.map(({ name, reason }) => `${name}: ${reason}`).join(' ');
    showError(element('kernels-error', HTMLElement), new Error(`Not measured: ${reasons}`));
  }
}

const tableRow = ({
  op,
  shape,
  dtype,
  ms,
  p10,
  p90,
  gflops,
  gbps,
  fraction,
  kernel,
}: KernelRow): HTMLElement => {
  const cells = [
    shape,
    dtype,
    number(ms),
    `${number(p10)}–${number(p90)}`,
    number(gflops),
    number(gbps),
    percent(fraction),
  ];
  return create(
    'tr',
    {},
    create('th', { scope: 'row', title: kernel }, op),
    ...cells.map((text) => create('td', {}, text)),
  );
};

function saveJson(value: unknown, name: string): void {
  const address = URL.createObjectURL(
    new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' }),
  );
  create('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
