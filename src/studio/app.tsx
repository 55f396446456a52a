/** @file The page: its head with the four views, and the view that is chosen. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { connection } from './api/events.js';
import { isLocked } from './api/request.js';
import { Announcer } from './parts/announcer.jsx';
import { useKeys } from './parts/shortcuts.js';
import { trouble } from './state/follow.js';
import { queue } from './state/groups.js';
import { asked, hrefOf, VIEWS, type View } from './state/route.js';
import { runInfo } from './state/run.js';
import { CompareView } from './views/compare/compare-view.jsx';
import { DrawView } from './views/draw/draw-view.jsx';
import { HelpDialog } from './views/help-dialog.jsx';
import { RateView } from './views/rate-view.jsx';
import { TokenDialog } from './views/token-dialog.jsx';
import { WatchView } from './views/watch/watch-view.jsx';

const TITLES: Readonly<Record<View, string>> = {
  draw: 'Draw',
  rate: 'Rate',
  watch: 'Watch',
  compare: 'Compare',
};
const PAGES: Readonly<Record<View, () => preact.JSX.Element | null>> = {
  draw: DrawView,
  rate: RateView,
  watch: WatchView,
  compare: CompareView,
};

/** Where nobody can draw, there is nothing to rate. */
function openViews(): readonly View[] {
  const run = runInfo.value;
  return run && !run.feedback ? ['watch', 'compare'] : VIEWS;
}

export function App() {
  const [isHelp, setHelp] = useState(false);
  const main = useRef<HTMLElement>(null);
  const views = openViews();
  const view = asked.value !== null && views.includes(asked.value) ? asked.value : (views[0] ?? 'watch');
  const Page = PAGES[view];
  const seen = useRef(view);
  useEffect(() => {
    document.title = `${TITLES[view]} – ${runInfo.value?.name ?? 'Tributary'}`;
    if (seen.current === view) return;
    seen.current = view;
    scrollTo({ top: 0 });
    main.current?.focus({ preventScroll: true });
  }, [view]);
  useKeys({ '?': () => setHelp(true) });
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <p class="brand">
          <Mark /> Tributary
        </p>
        <nav aria-label="Views">
          {views.map((one) => (
            <a key={one} href={hrefOf(one)} aria-current={one === view ? 'page' : undefined}>
              {TITLES[one]}
              {one === 'rate' && queue.value.length > 0 && (
                <span class="count">
                  {queue.value.length}
                  <span class="hidden"> waiting</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <div class="top-side">
          <Connection />
          <button type="button" class="round" aria-label="Help and settings" onClick={() => setHelp(true)}>
            ?
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} class={view} data-view={view}>
        <h1 class="hidden">{TITLES[view]}</h1>
        {trouble.value !== null && !isLocked.value && (
          <p class="fault" role="alert">
            {trouble.value}
          </p>
        )}
        <Page />
      </main>
      <Announcer />
      <HelpDialog isOpen={isHelp} onClose={() => setHelp(false)} />
      <TokenDialog />
    </>
  );
}

const CONNECTIONS = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
} as const;

function Connection() {
  const run = runInfo.value;
  const state = connection.value;
  return (
    <span class={`connection ${state}`}>
      <i aria-hidden="true" />
      <span class={state === 'live' ? 'wide-only' : ''}>
        {state === 'live' && run
          ? `${run.name}, ${run.policyVersion === 0 ? 'base model' : `version ${run.policyVersion}`}`
          : CONNECTIONS[state]}
      </span>
    </span>
  );
}

/** Streams that meet. */
function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M3 5c6 0 7 7 12 7h6M3 12h18M3 19c6 0 7-7 12-7" />
    </svg>
  );
}
