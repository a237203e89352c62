/** Runs before the page is drawn: the colours that were chosen last, or those of the system. */
const KEY = 'tessera-theme';

type Theme = 'light' | 'dark';

const dark = matchMedia('(prefers-color-scheme: dark)');

const chosen = (): Theme | null => {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null; // Storage is forbidden here.
  }
};

function apply(): Theme {
  const theme = chosen() ?? (dark.matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = theme;
  const label = document.getElementById('theme-label');
  if (label) label.textContent = theme === 'dark' ? 'Light colours' : 'Dark colours';
  return theme;
}

apply();
dark.addEventListener('change', apply);
document.addEventListener('DOMContentLoaded', () => {
  apply();
  document.getElementById('theme')?.addEventListener('click', () => {
    const next: Theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // It then lasts as long as the page.
      document.documentElement.dataset.theme = next;
      return;
    }
    apply();
  });
});
