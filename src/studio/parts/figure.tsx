/** @file A titled part of the page with a sentence that says what it is. */

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface FigureProps {
  readonly title: string;
  readonly note?: string;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

export function Figure({ title, note, wide = false, children }: FigureProps) {
  const id = useId();
  return (
    <section class={`figure${wide ? ' wide' : ''}`} aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      {note && <p class="note">{note}</p>}
      {children}
    </section>
  );
}
