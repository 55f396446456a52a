import { readFile } from 'node:fs/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { GATEWAY_PROBLEMS } from '../../src/api/gateway/gateway-problems.js';
import type { groupSchema, imagesAnswer } from '../../src/api/gateway/schemas.js';
import { RUN_PROBLEMS } from '../../src/api/run/run-routes.js';
import type { runInfo, runSamples } from '../../src/api/run/schemas.js';
import type { Images, RunInfo, RunSamples } from '../../src/client/index.js';
import { SERVER_PROBLEMS } from '../../src/server/problem.js';
import type { ServedGroup } from '../../src/streams/stages/gateway/desk.js';
import { gatewayBench } from './gateway-bench.js';

const { ask } = gatewayBench();

describe('the OpenAPI document', () => {
  it('should be valid and have every route', async () => {
    const { body } = await ask('/openapi.json', { headers: { authorization: '' } });
    const document = body as {
      openapi: string;
      paths: Record<string, object>;
      components: { schemas: object };
    };
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const ofRun = (prefix: string) => [
      `GET ${prefix}`,
      `GET ${prefix}/metrics`,
      `GET ${prefix}/samples`,
      `GET ${prefix}/samples/{file}`,
      `GET ${prefix}/trees`,
      `POST ${prefix}/control`,
    ];
    expect(routes.sort()).toEqual(
      [
        'DELETE /v1/people/{person}',
        'GET /',
        'GET /health',
        'GET /openapi.json',
        'GET /report',
        'GET /v1/compare',
        'GET /v1/events',
        'GET /v1/groups',
        'GET /v1/groups/{id}',
        'GET /v1/groups/{id}/pictures/{file}',
        'GET /v1/people/{person}',
        'GET /v1/runs',
        'GET /v1/status',
        'POST /v1/groups/{id}/feedback',
        'POST /v1/images/generations',
        'POST /v1/session',
        ...ofRun('/v1/run'),
        ...ofRun('/v1/runs/{run}'),
      ].sort(),
    );
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Group', 'Images', 'RunInfo', 'FeedbackInput']),
    );
  });

  it('should describe what the typed client reads', () => {
    expectTypeOf<z.infer<typeof groupSchema>>().toExtend<ServedGroup>();
    expectTypeOf<z.infer<typeof imagesAnswer>>().toExtend<Images>();
    expectTypeOf<z.infer<typeof runInfo>>().toExtend<RunInfo>();
    expectTypeOf<z.infer<typeof runSamples>>().toExtend<RunSamples>();
  });
});

it('should be in docs/gateway.md: every code of a problem, with its status', async () => {
  const page = await readFile('docs/gateway.md', 'utf8');
  for (const [code, [status]] of Object.entries({ ...SERVER_PROBLEMS, ...GATEWAY_PROBLEMS, ...RUN_PROBLEMS }))
    expect(page).toMatch(new RegExp(`^\\| ${status} \\|.*\`${code}\``, 'm'));
});
