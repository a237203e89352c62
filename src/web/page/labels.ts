import type { LabelResults, ModelFacts } from '../protocol.ts';
import { showBars } from './bars.ts';
import { announce, element, isStopped, showError } from './elements.ts';
import type { EngineClient } from './engine-client.ts';
import type { ModelPanel } from './model-panel.ts';
import { duration, percent } from './quantities.ts';
import type { Stage } from './stage.ts';

export interface LabelsView {
  update(): void;
}

const SENTENCES = { writes: 'Is there a {} in the picture?', compares: 'a photo of a {}' } as const;

const LEADS = {
  writes:
    'This model writes: it is asked about each label, and a bar is how much likelier “yes” is than “no” as the first word of its answer.',
  compares:
    'This model compares: the picture and each sentence become vectors, and a bar is how near they are.',
} as const;

const MEANINGS: Readonly<Record<LabelResults['meaning'], string>> = {
  among: 'The bars add up to one: of these labels alone, which one it is.',
  each: 'Each bar stands by itself: several labels may fit, or none.',
  asked: 'Each bar stands by itself: several labels may fit, or none.',
};

export function createLabelsView(engine: EngineClient, stage: Stage, panel: ModelPanel): LabelsView {
  const button = element('labels-button', HTMLButtonElement);
  const sentence = element('sentence', HTMLInputElement);
  const note = element('labels-note', HTMLElement);
  const bars = element('label-bars', HTMLOListElement);
  const errorLine = element('labels-error', HTMLElement);
  let kind: ModelFacts['kind'] | undefined;
  let isComparing = false;

  const update = (): void => {
    const facts = panel.facts();
    const current = facts?.kind ?? kind ?? 'writes';
    if (current !== kind) {
      kind = current;
      sentence.value = SENTENCES[kind];
      element('labels-lead', HTMLElement).textContent = LEADS[kind];
      element('sentence-label', HTMLElement).textContent =
        kind === 'writes' ? 'Question, with {} for the label' : 'Sentence, with {} for the label';
    }
    button.disabled = isComparing || !facts?.seesPictures;
    button.textContent = isComparing ? 'Comparing…' : 'Compare';
  };

  const compare = async (): Promise<void> => {
    const medium = stage.medium();
    const labels = element('label-list', HTMLTextAreaElement)
      .value.split(/[,\n]/)
      .map((label) => label.trim())
      .filter((label) => label !== '');
    if (!medium || labels.length === 0) {
      showError(errorLine, new Error(medium ? 'Write one label at least.' : 'Choose a picture first.'));
      return;
    }
    isComparing = true;
    update();
    showError(errorLine, undefined);
    try {
      const { results, meaning, totalMs } = await engine.scoreLabels(
        medium,
        [...new Set(labels)],
        sentence.value,
      );
      showBars(
        bars,
        results.map(({ label, probability }) => ({ name: label, fraction: probability })),
      );
      note.textContent = `${MEANINGS[meaning]} ${results.length} labels in ${duration(totalMs)}.`;
      const [best] = results;
      if (best) announce(`Best label: ${best.label}, ${percent(best.probability)}.`);
    } catch (error) {
      if (!isStopped(error)) showError(errorLine, error);
    } finally {
      isComparing = false;
      update();
    }
  };

  element('labels-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void compare();
  });
  update();
  return { update };
}
