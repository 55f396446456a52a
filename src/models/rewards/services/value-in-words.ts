/** Quotes untrusted text for a message: one short line in quotes. */
export type Quote = (text: string) => string;

/** Digits of a BigInt, and keys of an object, that a message shows at most. */
const MOST_DIGITS = 40;
const MOST_KEYS = 5;

/**
 * Names the type of a value, and the value if it is short: `a string "0.5"`, `a list of 3`, `a BigInt 7`, `NaN`. Printed
 * alone, a value of the wrong type may look like a right one.
 */
export function inWords(value: unknown, quote: Quote): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string':
      return value.trim() === '' ? 'an empty string' : `a string ${quote(value)}`;
    case 'number':
      return Number.isFinite(value) ? `a number ${value}` : String(value);
    case 'bigint':
      return `a BigInt ${String(value).slice(0, MOST_DIGITS)}`;
    case 'object':
      return value === null ? 'null' : objectInWords(value, quote);
    default:
      return `a ${typeof value}${typeof value === 'boolean' ? ` ${value}` : ''}`;
  }
}

function objectInWords(value: object, quote: Quote): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    const name = String(value.constructor?.name || 'class instance');
    return `${/^[AEIOU]/i.test(name) ? 'an' : 'a'} ${name}`;
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return 'an empty object';
  return `an object with ${quote([...keys.slice(0, MOST_KEYS), ...(keys.length > MOST_KEYS ? ['…'] : [])].join(', '))}`;
}
