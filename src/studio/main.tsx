/** @file Starts the page. */

import { render } from 'preact';
import { App } from './app.jsx';
import { follow } from './state/follow.js';

const root = document.getElementById('studio');
if (root) {
  render(<App />, root);
  follow();
}
