const LIGHT = ['#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#0891b2', '#65a30d', '#dc2626'];
const DARK = ['#60a5fa', '#fbbf24', '#34d399', '#f472b6', '#a78bfa', '#22d3ee', '#a3e635', '#f87171'];

const series = (colours: readonly string[]): string =>
  colours.map((colour, i) => `--s${i}:${colour};`).join('');

/** The page's style sheet. Colours of series tell apart on light and on dark; text keeps a contrast of 4.5. */
export const STYLE = `
:root{color-scheme:light dark;--page:#fff;--ink:#18202c;--soft:#566072;--grid:#e4e8ee;--roof:#18202c;--box:#f5f7fa;--warn:#92400e;--warn-box:#fef3c7;${series(LIGHT)}}
@media(prefers-color-scheme:dark){:root{--page:#11151c;--ink:#e6eaf0;--soft:#9aa5b5;--grid:#262d38;--roof:#e6eaf0;--box:#181e27;--warn:#fcd34d;--warn-box:#3a2a08;${series(DARK)}}}
body{margin:0 auto;max-width:64rem;padding:2rem 1.25rem 4rem;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.2rem;margin:3rem 0 .25rem}
p{margin:.25rem 0 1rem;color:var(--soft)}
p strong{color:var(--ink);font-size:1.25em}
dl{display:flex;flex-wrap:wrap;gap:.75rem 2rem;margin:0}
dt{font-size:.8rem;color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums}
.warning{margin:1rem 0 0;padding:.6rem .9rem;border-radius:6px;color:var(--warn);background:var(--warn-box)}
.wide{overflow-x:auto}
svg{display:block;max-width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}
svg .tick,svg .gap{fill:var(--soft)}
svg .title,svg .roof-text{fill:var(--soft)}
svg .value{font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid)}
.roof{stroke:var(--roof);stroke-width:1.5}
.even{stroke:var(--roof);stroke-dasharray:4 4}
.dot{stroke:var(--page);stroke-width:1}
.curve{fill:none;stroke-width:2}
.band{opacity:.15;stroke:none}
.layer{fill:var(--grid)}
svg .in-bar{font-size:11px}
${LIGHT.map((_, i) => `.dot.s${i},.bar.s${i},.band.s${i}{fill:var(--s${i})}.curve.s${i}{stroke:var(--s${i})}.legend .s${i}::before{background:var(--s${i})}`).join('\n')}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0 0;padding:0;list-style:none;font-size:.85rem}
.legend li::before{content:"";display:inline-block;width:.7em;height:.7em;margin-right:.45em;border-radius:2px}
pre{margin:0;padding:.9rem;border-radius:6px;background:var(--box);font-size:12.5px;line-height:1.5;overflow-x:auto}
ul{padding-left:1.1rem;font-size:.85rem;color:var(--soft)}
.legend{color:var(--ink)}
table{border-collapse:collapse;font-size:.8rem;font-variant-numeric:tabular-nums;white-space:nowrap}
th{position:sticky;top:0;background:var(--page);text-align:right;font-weight:600}
th,td{padding:.2rem .6rem;border-bottom:1px solid var(--grid);text-align:right}
th:nth-child(-n+3),td:nth-child(-n+3),th:last-child,td:last-child{text-align:left}
`;
