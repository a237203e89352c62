import { escapeXml } from '../core/escape-xml.ts';

/** Attributes of an element; numbers are written with at most two decimals. */
export type SvgAttributes = Readonly<Record<string, string | number>>;

/** One element with what is in it, which is markup already. */
export function element(name: string, attributes: SvgAttributes, ...inside: readonly string[]): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value) : escapeXml(value)}"`,
  );
  const open = `<${name}${written.join('')}`;
  return inside.length === 0 ? `${open}/>` : `${open}>${inside.join('')}</${name}>`;
}

const rounded = (value: number): string => String(Math.round(value * 100) / 100);

/** A line of text; the anchor is its start unless told. */
export const textLine = (x: number, y: number, text: string, attributes: SvgAttributes = {}): string =>
  element('text', { x, y, ...attributes }, escapeXml(text));

/** A text cut to `length` characters, the last of them three dots where it was longer. */
export const shortened = (text: string, length: number): string => {
  const characters = [...text];
  return characters.length <= length
    ? text
    : `${characters.slice(0, Math.max(length - 1, 0)).join('')}\u2026`;
};

/** A picture of its own, on white, as a file may hold it. */
export function svgDocument(width: number, height: number, ...inside: readonly string[]): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    width,
    height,
    viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
    'font-family': "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif",
    'font-size': 13,
    fill: '#222',
  };
  return `${element('svg', attributes, element('rect', { width, height, fill: '#fff' }), ...inside)}\n`;
}
