import type { LoadStep, ModelChoice, ModelFacts } from '../protocol.ts';
import { announce, create, element, isStopped, showError } from './elements.ts';
import { type EngineClient, withProgress } from './engine-client.ts';
import { createMosaic } from './mosaic.ts';
import { bytes, duration } from './quantities.ts';

/** The model that answers, and the dialog in which it is chosen. */
export interface ModelPanel {
  /** The loaded model; undefined while none is. */
  facts(): ModelFacts | undefined;
  load(choice: ModelChoice): Promise<void>;
}

const TILES = 40;
const STAGES: Readonly<Record<LoadStep['stage'], string>> = {
  download: 'Downloading',
  weights: 'Moving weights to the GPU',
  pipelines: 'Building shaders',
};
/** Parts of the bar. Shaders are built while weights move, so what is shown never goes back. */
const SHARE: Readonly<Record<LoadStep['stage'], readonly [from: number, to: number]>> = {
  download: [0, 0.5],
  weights: [0.5, 0.9],
  pipelines: [0.5, 1],
};

export function createModelPanel(engine: EngineClient, onChange: () => void): ModelPanel {
  const dialog = element('models', HTMLDialogElement);
  const name = element('model-name', HTMLElement);
  const factsLine = element('model-facts', HTMLElement);
  const errorLine = element('model-error', HTMLElement);
  const bar = element('model-progress', HTMLElement);
  const mosaic = createMosaic(bar, TILES);
  let facts: ModelFacts | undefined;
  let attempt = 0;

  const load = async (choice: ModelChoice): Promise<void> => {
    const own = ++attempt;
    facts = undefined;
    onChange();
    showError(errorLine, undefined);
    name.textContent = nameOf(choice);
    factsLine.textContent = 'Opening…';
    bar.hidden = false;
    let reached = 0;
    mosaic.show(0);
    const onStep = ({ stage, done, total }: LoadStep): void => {
      if (own !== attempt) return;
      const fraction = total > 0 ? done / total : 1;
      const [from, to] = SHARE[stage];
      reached = Math.max(reached, from + (to - from) * fraction);
      mosaic.show(reached);
      bar.setAttribute('aria-valuenow', String(Math.round(100 * reached)));
      const amount = stage === 'pipelines' ? `${done} of ${total}` : `${bytes(done)} of ${bytes(total)}`;
      factsLine.textContent = `${STAGES[stage]}: ${amount}`;
      bar.setAttribute('aria-valuetext', factsLine.textContent);
    };
    try {
      const loaded = await withProgress(onStep, (listener) => engine.load(choice, listener));
      if (own !== attempt) return;
      facts = loaded;
      name.textContent = nameOf(choice, loaded);
      factsLine.textContent = factsOf(loaded);
      announce(`${name.textContent} is ready.`);
      // What took long to download is not to be cleared away when the disk is nearly full.
      if (choice.kind === 'address') void navigator.storage.persist();
    } catch (error) {
      if (own !== attempt) return;
      factsLine.textContent = 'No model is loaded.';
      if (!isStopped(error)) showError(errorLine, error);
    } finally {
      if (own === attempt) {
        bar.hidden = true;
        onChange();
      }
    }
  };

  const choose = (choice: ModelChoice): void => {
    dialog.close();
    void load(choice);
  };
  element('model-change', HTMLButtonElement).addEventListener('click', () => {
    dialog.showModal();
    void offerStored(engine, choose);
  });
  element('address-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    choose({ kind: 'address', address: element('address', HTMLInputElement).value });
  });
  for (const id of ['folder', 'model-files']) {
    const input = element(id, HTMLInputElement);
    input.addEventListener('change', () => {
      const picked = [...(input.files ?? [])].filter(
        ({ webkitRelativePath: path }) => path.split('/').length <= 2,
      );
      const folder = picked[0]?.webkitRelativePath.split('/')[0] || 'Picked files';
      if (picked.length > 0) choose({ kind: 'files', name: folder, files: picked });
      input.value = '';
    });
  }
  return { facts: () => facts, load };
}

/** The built-in model, and all that is stored. */
async function offerStored(engine: EngineClient, choose: (choice: ModelChoice) => void): Promise<void> {
  const entry = (title: string, note: string, choice: ModelChoice): HTMLLIElement => {
    const button = create(
      'button',
      { type: 'button' },
      create('strong', {}, title),
      create('span', { class: 'quiet' }, note),
    );
    button.addEventListener('click', () => choose(choice));
    return create('li', {}, button);
  };
  const builtIn = entry(
    'Built-in model',
    'Small, at once, offline; knows 66 kinds of emoji and nothing else',
    { kind: 'built-in' },
  );
  const list = element('choices', HTMLUListElement);
  list.replaceChildren(builtIn);
  const { models } = await engine.storage();
  list.replaceChildren(
    builtIn,
    ...models
      .filter(({ key }) => !key.startsWith('built-in@'))
      .map(({ key, name, byteLength, partialBytes }) =>
        entry(
          name,
          `Stored, ${bytes(byteLength)}${partialBytes > 0 ? `; ${bytes(partialBytes)} of a file begun` : ''}`,
          { kind: 'stored', key },
        ),
      ),
  );
}

function nameOf(choice: ModelChoice, facts?: ModelFacts): string {
  if (choice.kind === 'built-in') return 'Built-in model';
  if (choice.kind === 'address') return choice.address.trim();
  if (choice.kind === 'files') return choice.name;
  return facts?.name ?? choice.key.replace(/@[0-9a-f]{40}$/, '');
}

const factsOf = ({ modelType, weightBytes, loadMs, kind }: ModelFacts): string =>
  [
    kind === 'writes' ? modelType : `${modelType}, compares pictures with texts`,
    `${bytes(weightBytes)} on the GPU`,
    `loaded in ${duration(loadMs)}`,
  ].join(' · ');
