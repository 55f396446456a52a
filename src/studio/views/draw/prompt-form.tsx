/** @file Where a prompt is written. */

import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { asked } from '../../state/request-pictures.js';
import { runInfo } from '../../state/run.js';

const LONGEST = 4000;
const EXAMPLES = 4;

interface PromptFormProps {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly onAsk: (prompt: string) => void;
}

export function PromptForm({ input, onAsk }: PromptFormProps) {
  const [text, setText] = useState('');
  const isDrawing = asked.value !== null;
  const ask = (prompt: string) => {
    if (prompt.trim() !== '') onAsk(prompt.trim());
  };
  const examples = runInfo.value?.examples.slice(0, EXAMPLES) ?? [];
  return (
    <div class="ask-for">
      <form
        class="prompt-form"
        onSubmit={(event) => {
          event.preventDefault();
          ask(text);
        }}
      >
        <label class="hidden" for="prompt">
          What should the pictures show?
        </label>
        <input
          id="prompt"
          ref={input}
          value={text}
          maxLength={LONGEST}
          placeholder={examples[0] ?? 'a red circle above a blue square'}
          autocomplete="off"
          enterkeyhint="go"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        {isDrawing ? (
          <button type="button" onClick={() => asked.value?.abort.abort()}>
            Stop
          </button>
        ) : (
          <button type="submit" class="primary" disabled={text.trim() === ''}>
            Draw
          </button>
        )}
      </form>
      {examples.length > 0 && (
        <ul class="examples" aria-label="Examples">
          {examples.map((example) => (
            <li key={example}>
              <button
                type="button"
                class="quiet"
                disabled={isDrawing}
                onClick={() => {
                  setText(example);
                  ask(example);
                }}
              >
                {example}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
