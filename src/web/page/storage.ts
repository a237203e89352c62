import type { StorageReport } from '../protocol.ts';
import { announce, create, element, showError } from './elements.ts';
import type { EngineClient } from './engine-client.ts';
import { bytes } from './quantities.ts';

export interface StorageView {
  refresh(): Promise<void>;
}

/** The models that the browser keeps, each with a button that deletes it. */
export function createStorageView(engine: EngineClient): StorageView {
  const list = element('stored', HTMLUListElement);
  const errorLine = element('storage-error', HTMLElement);

  const show = ({ models, usedBytes, quotaBytes }: StorageReport): void => {
    const entries = models.map(({ key, name, byteLength, files, partialBytes }) => {
      const button = create('button', { type: 'button', 'aria-label': `Delete ${name}` }, 'Delete');
      button.addEventListener('click', () => {
        button.disabled = true;
        void attempt(async () => {
          show(await engine.forget(key));
          announce(`${name} is deleted.`);
        });
      });
      const parts = partialBytes > 0 ? `, and ${bytes(partialBytes)} of a file begun` : '';
      return create(
        'li',
        { class: 'card' },
        create(
          'div',
          {},
          create('strong', {}, name),
          create('span', { class: 'quiet' }, `${bytes(byteLength)} in ${files} files${parts}`),
        ),
        button,
      );
    });
    list.replaceChildren(
      ...(entries.length > 0 ? entries : [create('li', { class: 'card quiet' }, 'Nothing is stored.')]),
    );
    element('storage-total', HTMLElement).textContent =
      usedBytes === null || quotaBytes === null
        ? ''
        : `${bytes(usedBytes)} in all, of ${bytes(quotaBytes)} that your browser allows this page.`;
  };

  const attempt = async (act: () => Promise<void>): Promise<void> => {
    showError(errorLine, undefined);
    await act().catch((error: unknown) => showError(errorLine, error));
  };
  return { refresh: () => attempt(async () => show(await engine.storage())) };
}
