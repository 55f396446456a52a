/** @file What happens, said to those who do not see it. */

import { signal } from '@preact/signals';

const said = signal('');

/** Says a sentence, after what is being said. */
export function announce(sentence: string): void {
  // The same sentence twice is two events: a space makes it a change.
  said.value = said.value === sentence ? `${sentence} ` : sentence;
}

export function Announcer() {
  return (
    <div class="hidden" role="status" aria-live="polite">
      {said}
    </div>
  );
}
