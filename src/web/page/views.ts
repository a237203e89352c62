import { element } from './elements.ts';

const VIEWS = ['ask', 'labels', 'kernels', 'storage'] as const;
export type ViewName = (typeof VIEWS)[number];

const current = (): ViewName => VIEWS.find((view) => location.hash === `#${view}`) ?? 'ask';

/** Shows the view that the address names, now and whenever that changes. */
export function followAddress(onView: (view: ViewName) => void): void {
  const show = (): void => {
    const view = current();
    for (const name of VIEWS) element(name, HTMLElement).hidden = name !== view;
    element('workbench', HTMLElement).hidden = view !== 'ask' && view !== 'labels';
    for (const link of document.querySelectorAll('nav.views a')) {
      if (link.getAttribute('href') === `#${view}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    onView(view);
  };
  addEventListener('hashchange', () => {
    // The skip link's target is no view.
    if (location.hash !== '#content') show();
  });
  show();
}
