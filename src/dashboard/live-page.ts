/** @file The report of a run as a page that follows it: loaded again when there is something new. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTopology } from '../streams/config/load-topology.js';
import { escapeHtml } from '../streams/report/escape-html.js';
import { readReport } from '../streams/report/read-report.js';
import { renderReport } from '../streams/report/render-report.js';

/** A connection that was lost comes back by itself, and then something may have happened. */
const FOLLOW = `<script>
let wasOpen = false;
const events = new EventSource('events');
events.onopen = () => { if (wasOpen) location.reload(); wasOpen = true; };
events.addEventListener('changed', () => location.reload());
</script>`;

/** Returns the page of a run directory, or one that waits for the run where there is none yet. */
export async function livePage(runPath: string): Promise<string> {
  const configPath = join(runPath, 'config.yaml');
  const hasBegun = await access(configPath).then(
    () => true,
    () => false,
  );
  if (!hasBegun) {
    return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tributary</title></head>\n<body><p>${escapeHtml(runPath)} holds no run yet.</p>${FOLLOW}</body></html>\n`;
  }
  const html = renderReport(await readReport(runPath, await loadTopology(configPath, [])));
  return html.replace('</body>', () => `${FOLLOW}</body>`);
}
