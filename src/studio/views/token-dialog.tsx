/** @file Asks for the token that the server wants. */

import { useState } from 'preact/hooks';
import { isLocked, unlock, wordsOf } from '../api/request.js';
import { Dialog } from '../parts/dialog.jsx';

export function TokenDialog() {
  const [token, setToken] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  return (
    <Dialog
      title="Token"
      isOpen={isLocked.value}
      onClose={() => {
        isLocked.value = false;
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          unlock(token).catch((error: unknown) => setFault(wordsOf(error)));
        }}
      >
        <label class="field">
          This server wants a token: the value of <code>TRIBUTARY_GATEWAY_TOKEN</code> where it was started.
          <input
            type="password"
            value={token}
            autocomplete="current-password"
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        {fault !== null && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        <div class="buttons end">
          <button type="submit" class="primary" disabled={token === ''}>
            Open
          </button>
        </div>
      </form>
    </Dialog>
  );
}
