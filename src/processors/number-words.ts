const SMALL = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen'
).split(' ');
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');

/**
 * A count in English words, 0 to 999 999, as Python's num2words writes it, through which the reference puts the number
 * of a video's frames: `one thousand, two hundred and thirty-four`.
 */
export function numberInWords(count: number): string {
  if (count < 20) return SMALL[count] ?? String(count);
  if (count < 100) {
    const tens = TENS[Math.floor(count / 10) - 2] ?? '';
    return count % 10 === 0 ? tens : `${tens}-${SMALL[count % 10]}`;
  }
  const [unit, name] = count < 1000 ? [100, 'hundred'] : [1000, 'thousand'];
  const whole = `${numberInWords(Math.floor(count / unit))} ${name}`;
  const rest = count % unit;
  if (rest === 0) return whole;
  return rest < 100 ? `${whole} and ${numberInWords(rest)}` : `${whole}, ${numberInWords(rest)}`;
}
