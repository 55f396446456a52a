/** @file Single keys that do things. */

import { useEffect, useRef } from 'preact/hooks';
import { person } from '../state/person.js';

/** What keys do, by `KeyboardEvent.key`; one that does nothing now returns false. */
export type Keys = Readonly<Record<string, () => unknown>>;

const TYPED = 'input:not([type=range]), textarea, select, dialog[open]';

/**
 * Listens to keys while a part is shown, unless something is being typed, a dialog is open, or the person has turned them
 * off.
 */
export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target, key, ctrlKey, metaKey, altKey, isComposing } = event;
      if (!person.value.hasShortcuts || ctrlKey || metaKey || altKey || isComposing || event.repeat) return;
      if (target instanceof Element && target.closest(TYPED)) return;
      if (document.querySelector('dialog[open]')) return;
      const act = current.current[key];
      if (act && act() !== false) event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

/** The digits 1 to `count`, at most 9, as keys. */
export function digitKeys(count: number, act: (digit: number) => unknown): Keys {
  const digits = Array.from({ length: Math.min(9, count) }, (_, index) => index + 1);
  return Object.fromEntries(digits.map((digit) => [String(digit), () => act(digit)]));
}
