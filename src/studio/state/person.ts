/** @file Who uses the page, and how they like it. It stays in the browser. */

import { effect, signal } from '@preact/signals';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

interface Person {
  /** Says whose groups and choices these are. */
  readonly id: string;
  readonly theme: Theme;
  /** Whether single keys choose, skip and undo. */
  readonly hasShortcuts: boolean;
}

const KEY = 'tributary-person';

/** 128 random bits, in hexadecimal; `randomUUID` is missing on pages without TLS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

function read(): Person {
  const fresh: Person = { id: `studio-${randomId()}`, theme: 'system', hasShortcuts: true };
  try {
    return { ...fresh, ...JSON.parse(localStorage.getItem(KEY) ?? '{}') };
  } catch {
    return fresh;
  }
}

export const person = signal<Person>(read());

/** Changes settings. */
export function setPerson(change: Partial<Person>): void {
  person.value = { ...person.value, ...change };
}

effect(() => {
  const { theme } = person.value;
  localStorage.setItem(KEY, JSON.stringify(person.value));
  document.documentElement.dataset.theme = theme;
});

/** Goes on as somebody new. */
export function forgetPerson(): void {
  localStorage.clear();
  location.reload();
}
