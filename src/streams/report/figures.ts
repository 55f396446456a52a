/** @file Figures in words, as the report and the command line write them. */

/** 0.4382 -> `43.8 %`; what was not measured is a dash. */
export function writeShare(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(1)} %`;
}

/** Three decimals: `0.412`. */
export function writeScore(score: number | null): string {
  return score === null ? '–' : score.toFixed(3).replace('-', '−');
}

/** The difference of two shares: `+17.2 points`. */
export function writePoints(difference: number | null): string {
  return difference === null ? '–' : `${writeSigned(difference * 100, 1)} points`;
}

/** Three significant digits, thousands apart: `1,234`, `0.412`, `2.10e-7`. */
export function writeNumber(value: number | null): string {
  if (value === null) return '–';
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** With its sign, the minus a real one: `+0.061`, `−0.020`. */
export function writeSigned(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return `±${text}`;
  return `${value < 0 ? '−' : '+'}${text}`;
}

/** `48 s`, `4 min 10 s`, `2 h 5 min`. */
export function writeDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Ascending steps as runs without a gap, each from its first step to the one after its last. */
export function stepRanges(steps: readonly number[]): [first: number, end: number][] {
  const ranges: [number, number][] = [];
  for (const step of steps) {
    const range = ranges.at(-1);
    if (range?.[1] === step) range[1] = step + 1;
    else ranges.push([step, step + 1]);
  }
  return ranges;
}

/** `3–9`, or `0–2, 5` where there are gaps. */
export function writeSteps(steps: readonly number[]): string {
  return stepRanges(steps)
    .map(([first, end]) => (end === first + 1 ? String(first) : `${first}–${end - 1}`))
    .join(', ');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Returns a text that stands for itself in HTML and SVG, between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
