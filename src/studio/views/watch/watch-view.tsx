/** @file Watch: the run as it is. */

import { useEffect } from 'preact/hooks';
import { loadRun, runInfo } from '../../state/run.js';
import { Charts, ChartTools, InnerCharts } from './charts.jsx';
import { Comparison } from './comparison.jsx';
import { Controls } from './controls.jsx';
import { Alarms, DeadLetters, Lost, NewestAlarm, Workers } from './health.jsx';
import { RunPictures } from './run-pictures.jsx';
import { RunTrees } from './run-trees.jsx';
import { KeyFigures, Summary } from './summary.jsx';

/** No event says that a worker has come or gone, or that a message was given up. */
const LOOK_MS = 10_000;

export function WatchView() {
  const run = runInfo.value;
  useEffect(() => {
    const look = () => {
      // Whoever follows the events says so where the server is away.
      if (!document.hidden) loadRun().catch(() => undefined);
    };
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (!run) return <p class="note">Waiting for the run …</p>;
  return (
    <>
      <Summary run={run} />
      <NewestAlarm />
      <KeyFigures />
      <div class="watch-columns">
        <div class="watch-main">
          <ChartTools />
          <Charts />
          <RunTrees />
          <RunPictures />
          <InnerCharts />
        </div>
        <aside class="watch-side" aria-label="Health and control">
          <Comparison />
          <Controls run={run} />
          <Alarms />
          <Lost />
          <DeadLetters run={run} />
          <Workers run={run} />
        </aside>
      </div>
    </>
  );
}
