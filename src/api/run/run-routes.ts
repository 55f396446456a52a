/** @file What a server answers about runs: how far they are, their figures, pictures and trees, and commands to them. */

import { join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { HttpApp } from '../../server/create-app.js';
import { type ProblemTable, problemsOf } from '../../server/problem.js';
import { renderComparison } from '../../streams/compare/compare-page.js';
import { readRuns } from '../../streams/compare/read-runs.js';
import {
  type ControlChange,
  freeze,
  moveSchedule,
  reset,
  scaleLearningRate,
  unfreeze,
} from '../../streams/control/control-changes.js';
import { SAMPLES_FOLDER } from '../../streams/directory/run-samples.js';
import type { ControlAccess } from './control-access.js';
import { type RunFolder, SAMPLE_FILE } from './run-folder.js';
import type { Runs } from './runs.js';
import {
  controlAnswer,
  controlRequest,
  metricsPage,
  metricsQuery,
  runInfo,
  runList,
  runSamples,
  runTrees,
} from './schemas.js';

export const RUN_PROBLEMS = {
  'unknown-run': [404, 'There is no such run here.'],
  'unknown-sample': [404, 'The run has no such file.'],
  'control-refused': [409, 'The run does not take this command.'],
  'not-comparable': [422, 'These runs cannot be compared.'],
} as const satisfies ProblemTable;

const problem = problemsOf(RUN_PROBLEMS);

/** What is known of a run beyond its directory, where it runs in this process. */
export interface LiveRun {
  /** What `GET /v1/run` says besides. */
  details(): Promise<Partial<z.infer<typeof runInfo>>>;
}

export interface RunRoutesOptions {
  readonly runs: Runs;
  readonly control: ControlAccess;
  /** Default: nothing. */
  readonly live?: LiveRun;
}

const EXAMPLES = 6;
const LONGEST_EXAMPLE = 300;

/** Adds the routes about runs: those of the newest under /v1/run, those of each under /v1/runs/{run}. */
export function addRunRoutes(app: HttpApp, options: RunRoutesOptions): void {
  const { runs } = options;
  app.route({
    method: 'GET',
    url: '/v1/runs',
    schema: { operationId: 'listRuns', summary: 'All runs, the newest first', response: { 200: runList } },
    handler: async () => ({
      runs: await Promise.all((await runs.list()).map(async (run) => run.summary(await run.config()))),
    }),
  });
  app.route({
    method: 'GET',
    url: '/v1/compare',
    schema: {
      operationId: 'compareRuns',
      summary: 'Runs beside each other, as a page to keep',
      querystring: z.object({ run: z.union([z.array(z.string()), z.string().transform((one) => [one])]) }),
    },
    handler: async ({ query }, reply) => {
      const found = await Promise.all(query.run.map((id) => runOf(runs, id)));
      const compared = await readRuns(found.map(({ path }) => path)).catch((error: unknown) => {
        if (error instanceof TributaryError) throw problem('not-comparable', error.message);
        throw error;
      });
      return reply.type('text/html; charset=utf-8').send(renderComparison(compared, null));
    },
  });
  addRoutesOfRun(app, '/v1/run', options);
  addRoutesOfRun(app, '/v1/runs/:run', options);
}

/** Adds what there is about one run: the newest, or the one that the path names. */
function addRoutesOfRun(
  app: HttpApp,
  prefix: '/v1/run' | '/v1/runs/:run',
  { runs, control, live }: RunRoutesOptions,
): void {
  const isNamed = prefix === '/v1/runs/:run';
  const schemaOf = (name: string, summary: string, inPath: Readonly<Record<string, z.ZodString>> = {}) => ({
    operationId: isNamed ? `${name}Of` : name,
    summary,
    params: z.object({
      ...(isNamed && { run: z.string().describe('The name of its directory.') }),
      ...inPath,
    }),
  });
  const asked = (request: { readonly params: unknown }) =>
    runOf(runs, (request.params as { readonly run?: string }).run);
  app.route({
    method: 'GET',
    url: prefix,
    schema: { ...schemaOf('getRun', 'How far a run is'), response: { 200: runInfo } },
    handler: async (request) => {
      const run = await asked(request);
      const config = await run.config();
      const [summary, prompts, wanted] = await Promise.all([
        run.summary(config),
        run.samplePrompts(),
        control.wanted(run),
      ]);
      const reason = control.reason(run, config);
      return {
        ...summary,
        policyVersion: summary.round,
        progress: null,
        feedback: null,
        examples: prompts.filter(({ length }) => length <= LONGEST_EXAMPLE).slice(0, EXAMPLES),
        workers: [],
        deadLetters: [],
        control: { canChange: reason === null, ...(reason !== null && { reason }), wanted },
        ...(await live?.details()),
      };
    },
  });
  app.route({
    method: 'GET',
    url: `${prefix}/metrics`,
    schema: {
      ...schemaOf('listMetrics', 'Lines of the log of a run'),
      querystring: metricsQuery,
      response: { 200: metricsPage },
    },
    handler: async (request) => {
      const { after, limit } = request.query;
      const { lines, next } = await (await asked(request)).log.read(after, limit);
      return { lines: lines.map(({ value }) => value as Record<string, unknown>), next };
    },
  });
  app.route({
    method: 'GET',
    url: `${prefix}/samples`,
    schema: {
      ...schemaOf('listSamples', 'Pictures of the same prompts from the same noise, over time'),
      response: { 200: runSamples },
    },
    handler: async (request) => (await asked(request)).samples(),
  });
  app.route({
    method: 'GET',
    url: `${prefix}/trees`,
    schema: { ...schemaOf('listTrees', 'Rounds whose trees are kept'), response: { 200: runTrees } },
    handler: async (request) => ({ rounds: await (await asked(request)).trees() }),
  });
  app.route({
    method: 'GET',
    url: `${prefix}/samples/:file`,
    config: { isUncounted: true },
    schema: schemaOf('getSample', 'A grid of pictures, or trees with their pictures', {
      file: z.string().describe('round-<four digits>.png, trees-<four digits>.json or .png.'),
    }),
    handler: async (request, reply) => {
      const run = await asked(request);
      const { file } = request.params as { readonly file: string };
      if (!SAMPLE_FILE.test(file))
        throw problem(
          'unknown-sample',
          `run ${run.id}: expected a file such as round-0000.png, got ${file.slice(0, 100)}`,
        );
      return reply.sendFile(file, join(run.path, SAMPLES_FOLDER));
    },
  });
  app.route({
    method: 'POST',
    url: `${prefix}/control`,
    schema: {
      ...schemaOf('controlRun', 'Change a run from its next round on'),
      body: controlRequest,
      response: { 200: controlAnswer },
    },
    handler: async (request) => {
      const run = await asked(request);
      const config = await run.config();
      const reason = control.reason(run, config);
      if (reason !== null || config === null)
        throw problem('control-refused', reason ?? `run ${run.id}: expected one that has begun, got none`);
      const wanted = await control.change(run, config, changeOf(request.body)).catch((error: unknown) => {
        if (error instanceof TributaryError && error.code === 'TRIB_USAGE')
          throw problem('control-refused', error.message);
        throw error;
      });
      return { wanted };
    },
  });
}

async function runOf(runs: Runs, id: string | undefined): Promise<RunFolder> {
  const run = await runs.find(id);
  if (run) return run;
  throw problem('unknown-run', `run: expected one of ${runs.path}, got ${id?.slice(0, 100) ?? 'none'}`);
}

function changeOf({ command, value }: z.infer<typeof controlRequest>): ControlChange {
  switch (command) {
    case 'freeze':
      return freeze(value ?? null);
    case 'unfreeze':
      return unfreeze;
    case 'advance':
      return moveSchedule(value ?? 1);
    case 'rewind':
      return moveSchedule(-(value ?? 1));
    case 'learning-rate-scale':
      return scaleLearningRate(value ?? Number.NaN);
    case 'reset':
      return reset;
    default:
      return command satisfies never;
  }
}
