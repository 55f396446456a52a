/** @file Traces of groups, as an exporter gets them. */

import { join } from 'node:path';
import * as api from '@opentelemetry/api';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, it } from 'vitest';
import { contextOf } from '../../../src/streams/telemetry/trace-groups.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { runTiny, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';

const PARTS = ['prompt', 'rollout', 'reward', 'advantage', 'update'];

afterEach(() => trace.disable());

it('should leave one whole trace for every group of a run', async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  const folder = await temporaryFolder();
  const short = ['stages.prompts.numRounds=1', 'evaluation.imagesPerPrompt=1', 'telemetry.traces=true'];
  const config = await tinyConfig(folder, { overrides: [...UNGUARDED, ...short] });
  const { error } = await runTiny({ config, path: join(folder, 'run') });
  expect(error).toBeUndefined();
  const spans = exporter.getFinishedSpans();
  const traceIds = [...new Set(spans.map((span) => span.spanContext().traceId))];
  const traces = traceIds.map((id) => spans.filter((span) => span.spanContext().traceId === id));
  expect(traces.map((ofGroup) => ofGroup.length)).toEqual(Array(4).fill(PARTS.length));
  for (const ofGroup of traces) {
    const named = new Map(ofGroup.map((span) => [span.name, span]));
    const parents = PARTS.map((part) => named.get(part)?.parentSpanContext?.spanId);
    expect(parents).toEqual([
      undefined,
      ...PARTS.slice(0, -1).map((part) => named.get(part)?.spanContext().spanId),
    ]);
    expect(new Set(ofGroup.map(({ attributes }) => attributes['tributary.group.id'])).size).toBe(1);
    expect(ofGroup.every(({ status }) => status.code === api.SpanStatusCode.UNSET)).toBe(true);
  }
});

it.each([
  '',
  'garbage',
  `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
  `ff-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
  `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01${'x'.repeat(1000)}`,
  `00-${'A'.repeat(32)}-${'1'.repeat(16)}-01`,
])('should begin a trace anew where a header is no parent, case %#', (traceparent) => {
  const tracing = { api, tracer: trace.getTracer('test') };
  expect(contextOf(tracing, { traceparent })).toBe(ROOT_CONTEXT);
  const context = contextOf(tracing, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
  expect(trace.getSpanContext(context)).toMatchObject({
    traceId: 'a'.repeat(32),
    isRemote: true,
    traceFlags: 1,
  });
});
