/** @file One picture that can be chosen, with its number. */

import type { ComponentChildren } from 'preact';
import { Picture } from './picture.jsx';

interface LeafProps {
  readonly src: string | null;
  readonly alt: string;
  readonly size: readonly [width: number, height: number];
  /** From 1; also the key that chooses it. */
  readonly number: number;
  readonly isChosen: boolean;
  /** What stands beside the number, such as a place in an order. */
  readonly mark?: string | undefined;
  /** Whether it is the picture itself, and no guess of it. */
  readonly isRipe: boolean;
  /** Undefined where there is nothing to choose. */
  readonly onChoose?: (() => void) | undefined;
  readonly tone?: string;
  readonly children?: ComponentChildren;
}

export function Leaf(props: LeafProps) {
  const { src, alt, size, number, isChosen, mark, isRipe, onChoose, tone = '', children } = props;
  const picture = src !== null && <Picture {...{ src, alt, size }} class={isRipe ? '' : 'unripe'} />;
  const frame = (
    <>
      {picture}
      <span class="leaf-number" aria-hidden="true">
        {mark || number}
      </span>
      {isChosen && (
        <span class="leaf-check">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M3 8.5l3.2 3.2L13 5" />
          </svg>
        </span>
      )}
    </>
  );
  const state = `leaf-frame${isChosen ? ' chosen' : ''}${src === null ? ' waiting' : ''} ${tone}`;
  // Nobody knows the size of what is not drawn yet.
  const style = { aspectRatio: size[0] > 0 ? `${size[0]} / ${size[1]}` : '1' };
  return (
    <div class="leaf">
      {onChoose ? (
        <button
          type="button"
          class={state}
          style={style}
          aria-pressed={isChosen}
          aria-label={src === null ? alt : undefined}
          onClick={onChoose}
        >
          {frame}
        </button>
      ) : (
        <div class={state} style={style}>
          {frame}
        </div>
      )}
      {children}
    </div>
  );
}
