import type { Answer, WordAttention } from '../protocol.ts';
import { showWords } from './answer-words.ts';
import { announce, create, element, isStopped, messageOf, showError } from './elements.ts';
import { type EngineClient, proxy } from './engine-client.ts';
import type { ModelPanel } from './model-panel.ts';
import { bytes, duration, number, percent } from './quantities.ts';
import type { Stage } from './stage.ts';

export interface AskView {
  /** Something that an answer depends on has changed. */
  update(): void;
}

const SUGGESTIONS = [
  'Describe the image.',
  'What is left of the strawberry?',
  'How many carrots are there?',
  'What colour is the background?',
];

export function createAskView(engine: EngineClient, stage: Stage, panel: ModelPanel): AskView {
  const form = element('ask-form', HTMLFormElement);
  const question = element('question', HTMLTextAreaElement);
  const button = element('ask-button', HTMLButtonElement);
  const stop = element('stop', HTMLButtonElement);
  const output = element('answer', HTMLElement);
  const hint = element('answer-hint', HTMLElement);
  const facts = element('answer-facts', HTMLElement);
  const errorLine = element('ask-error', HTMLElement);
  /** Counts questions, so that nothing late is shown beside another answer. */
  let turn = 0;
  let isAsking = false;

  const update = (): void => {
    const model = panel.facts();
    button.disabled = isAsking || model === undefined || model.kind !== 'writes';
    button.textContent = isAsking ? 'Answering…' : 'Ask';
    stop.hidden = !isAsking;
    output.setAttribute('aria-busy', String(isAsking));
  };

  const ask = async (): Promise<void> => {
    const own = ++turn;
    isAsking = true;
    update();
    showError(errorLine, undefined);
    stage.showHeat(undefined, '');
    element('answer-section', HTMLElement).hidden = false;
    [hint.hidden, facts.hidden] = [true, true];
    const text = document.createTextNode('');
    output.replaceChildren(text, create('span', { class: 'cursor', 'aria-hidden': 'true' }));
    const medium = panel.facts()?.seesPictures ? stage.medium() : null;
    try {
      const answer = await engine.ask(
        {
          medium,
          text: question.value.trim() || question.placeholder,
          maxNewTokens: numberOf('max-tokens'),
          temperature: numberOf('temperature'),
          frames: numberOf('frames'),
        },
        proxy((piece) => {
          if (own === turn) text.data = (text.data + piece).trimStart();
        }),
      );
      if (own !== turn) return;
      announce(`Answer: ${answer.text}`);
      showAnswer(answer, medium?.kind === 'picture');
    } catch (error) {
      if (own !== turn) return;
      output.replaceChildren(text);
      if (!isStopped(error)) showError(errorLine, error);
    } finally {
      if (own === turn) {
        isAsking = false;
        update();
      }
    }
  };

  const showAnswer = (answer: Answer, isOfPicture: boolean): void => {
    facts.hidden = answer.finishReason === 'stopped';
    facts.replaceChildren(
      ...factsOf(answer).flatMap(([name, value]) => [
        create('div', {}, create('dt', {}, name), create('dd', {}, value)),
      ]),
    );
    const canLook = isOfPicture && answer.tokenIds.length > 0;
    hint.hidden = !canLook;
    if (!canLook) {
      output.replaceChildren(answer.text.trim());
      return;
    }
    const own = turn;
    let maps: Promise<readonly WordAttention[]> | undefined;
    let wanted: number | undefined;
    showWords(output, answer.words, (index) => {
      wanted = index;
      if (index === undefined) {
        stage.showHeat(undefined, '');
        return;
      }
      if (!maps) stage.showHeat(undefined, 'Looking…');
      maps ??= engine.look();
      maps.then(
        (all) => {
          const map = all[index];
          if (own !== turn || wanted !== index || !map) return;
          stage.showHeat(
            map.maps,
            `${percent(map.share)} of the attention for “${map.word}” went to the picture.`,
          );
        },
        (error: unknown) => {
          maps = undefined;
          if (own === turn && !isStopped(error)) stage.showHeat(undefined, messageOf(error));
        },
      );
    });
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void ask();
  });
  // Enter asks, as in every chat; with Shift it breaks the line.
  question.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  stop.addEventListener('click', () => void engine.stop());
  element('suggestions', HTMLElement).replaceChildren(
    ...SUGGESTIONS.map((text) => {
      const chip = create('button', { type: 'button', class: 'chip' }, text);
      chip.addEventListener('click', () => {
        question.value = text;
        form.requestSubmit();
      });
      return chip;
    }),
  );
  return { update };
}

const numberOf = (id: string): number => element(id, HTMLInputElement).valueAsNumber || 0;

const factsOf = (answer: Answer): readonly (readonly [name: string, value: string])[] => [
  ['Speed', answer.tokensPerSecond > 0 ? `${number(answer.tokensPerSecond)} tokens/s` : '–'],
  ['First token', duration(answer.firstTokenMs)],
  ['Tokens', `${answer.promptTokens} read, ${answer.generatedTokens} written`],
  ['GPU memory', `${bytes(answer.gpuBytes)}, ${bytes(answer.peakGpuBytes)} at most`],
];
