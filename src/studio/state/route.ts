/** @file Which view is shown: the part of the address behind `#/`. */

import { computed, signal } from '@preact/signals';

export const VIEWS = ['draw', 'rate', 'watch', 'compare'] as const;
export type View = (typeof VIEWS)[number];

const hash = signal(location.hash);
addEventListener('hashchange', () => {
  hash.value = location.hash;
});

/** What stands in the address after the view, such as the id of a group. */
export const detail = computed(() => hash.value.split('/')[2] ?? '');

/** The view of the address; null where it names none. */
export const asked = computed(() => VIEWS.find((view) => view === hash.value.split('/')[1]) ?? null);

/** The address of a view. */
export function hrefOf(view: View, more = ''): string {
  return more === '' ? `#/${view}` : `#/${view}/${more}`;
}
