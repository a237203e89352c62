import type { BatchTask, OpenTask } from '../batch/task.ts';
import type { Terminal } from './command.ts';
import { openContrastiveModel } from './contrastive-options.ts';
import { type ModelOptions, openModel } from './model-options.ts';

/** Loads the models of tasks, with progress and notices on stderr. */
export const taskOpener =
  (adapter: string | undefined, terminal: Terminal): OpenTask =>
  async (task) => {
    const options = { model: task.model, dtype: task.dtype as ModelOptions['dtype'], adapter };
    switch (task.kind) {
      case 'caption': {
        const model = await openModel(options, terminal);
        const { prompt, maxNewTokens } = task;
        const limit = maxNewTokens === undefined ? {} : { maxNewTokens };
        return {
          async run({ image }, signal) {
            const { text } = await model.generate({
              prompt,
              images: [image],
              greedy: true,
              signal,
              ...limit,
            });
            return { text };
          },
          dispose: () => model.dispose(),
        };
      }
      case 'embed': {
        const { model } = await openContrastiveModel('batch', options, terminal, ['image']);
        return {
          run: async ({ image }, signal) => ({ embedding: [...(await model.embedImage(image, { signal }))] }),
          dispose: () => model.dispose(),
        };
      }
      case 'classify':
        return openClassifier(task, options, terminal);
    }
  };

/** The labels are embedded once. */
async function openClassifier(
  { labels, template }: BatchTask & { readonly kind: 'classify' },
  options: ModelOptions,
  terminal: Terminal,
) {
  const { model } = await openContrastiveModel('batch', options, terminal, ['image', 'text']);
  const sentences = labels.map((label) => template?.replaceAll('{}', () => label) ?? label);
  const texts = await model.embedText(sentences, { signal: terminal.signal }).catch((error: unknown) => {
    model.dispose();
    throw error;
  });
  return {
    async run({ image }: { readonly image: string }, signal: AbortSignal) {
      const scores = model
        .score(await model.embedImage(image, { signal }), texts)
        .map(({ probability }, i) => ({ label: labels[i] ?? '', probability }))
        .sort((a, b) => b.probability - a.probability);
      return { label: scores[0]?.label ?? '', scores };
    },
    dispose: () => model.dispose(),
  };
}
