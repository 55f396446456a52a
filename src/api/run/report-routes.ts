/** @file The report of the newest run as a page that reloads itself. */

import type { HttpApp } from '../../server/create-app.js';
import { problemsOf } from '../../server/problem.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { isThere } from '../../streams/directory/adapter-path.js';
import { newestConfigPath } from '../../streams/directory/saved-config.js';
import { escapeHtml } from '../../streams/report/figures.js';
import { renderReport } from '../../streams/report/render-report.js';
import { readReport } from '../../streams/report/write-report.js';
import type { Runs } from './runs.js';

const problem = problemsOf({ 'no-report': [500, 'The report cannot be made.'] });

interface ReportRoutesOptions {
  readonly runs: Runs;
  /** Whether the report is what `/` shows. */
  readonly isFirstPage: boolean;
}

/** Adds `/report`, and where there is no other page the report at `/`. */
export function addReportRoutes(app: HttpApp, { runs, isFirstPage }: ReportRoutesOptions): void {
  for (const url of isFirstPage ? ['/', '/report'] : ['/report'])
    app.route({
      method: 'GET',
      url,
      schema: { summary: 'The report of the newest run, which reloads itself' },
      handler: async (_request, reply) => {
        const run = await runs.find();
        const html = await livePage(run?.path ?? runs.path).catch((error: unknown) => {
          throw problem('no-report', String(error));
        });
        return reply.type('text/html; charset=utf-8').send(html);
      },
    });
}

/** A connection that was lost comes back by itself, and then something may have happened. */
const FOLLOW = `<script>
let wasOpen = false;
const events = new EventSource('v1/events');
events.onopen = () => { if (wasOpen) location.reload(); wasOpen = true; };
for (const type of ['metrics', 'run']) events.addEventListener(type, () => location.reload());
</script>`;

/** Returns the page of a run directory, or one that waits for the run where there is none yet. */
async function livePage(runPath: string): Promise<string> {
  const configPath = await newestConfigPath(runPath);
  if (!(await isThere(configPath)))
    return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tributary</title></head>\n<body><p>${escapeHtml(runPath)} holds no run yet.</p>${FOLLOW}</body></html>\n`;
  const config = await loadTopology(configPath, [], { isPlaced: true });
  const html = renderReport(await readReport(runPath, config));
  return html.replace('</body>', () => `${FOLLOW}</body>`);
}
