/** @file The figures of a process as OpenTelemetry counts them and Prometheus reads them. Its packages are loaded on demand. */

import type { Attributes } from '@opentelemetry/api';
import { TributaryError } from '../../errors.js';
import type { Lag } from '../messages/observations.js';
import type { Metric, Told } from './metric.js';
import { METRICS } from './metric-table.js';

/** Also in package.json, as peers that need not be there; docs/decisions/serving.md (185) says why these versions. */
export const INSTALL_COMMAND =
  'npm install @opentelemetry/api@1.9.1 @opentelemetry/resources@2.12.0 @opentelemetry/sdk-metrics@2.12.0 @opentelemetry/exporter-prometheus@0.223.0';

export interface Meter {
  /** Counts what an event or an observation says. */
  note(told: Told): void;
  /** All figures now, in the text format of Prometheus. */
  text(): Promise<string>;
}

interface MeterOptions {
  /** What is said of the process, as attributes of `target_info`. */
  readonly about: Readonly<Record<string, string>>;
  /** Asked at every reading. */
  readonly lag: () => Promise<readonly Lag[]>;
}

/** Errors: TRIB_USAGE where a package is missing. */
export async function openMeter({ about, lag }: MeterOptions): Promise<Meter> {
  const { MeterProvider, PrometheusExporter, PrometheusSerializer, resourceFromAttributes } =
    await packages();
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ readers: [exporter], resource: resourceFromAttributes(about) });
  const meter = provider.getMeter('tributary');
  const noting = METRICS.map((metric) => {
    const take = instrumentOf(meter, metric);
    return { by: metric.by, note: (told: Told) => metric.samplesOf(told).forEach(take) };
  });
  meter
    .createObservableGauge('tributary_unanswered_messages', {
      unit: '{message}',
      description: 'Messages that a consumer group has not answered, in all processes together.',
    })
    .addCallback(async (result) => {
      for (const { topic, consumerGroup, messages } of await lag())
        result.observe(messages, { topic, consumer_group: consumerGroup });
    });
  meter
    .createObservableGauge('process_resident_memory_bytes', {
      unit: 'By',
      description: 'Resident set of this process.',
    })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  // Resources stand in target_info; the scope is the same everywhere.
  const serializer = new PrometheusSerializer('', false, undefined, false, true);
  return {
    note: (told) => {
      for (const { by, note } of noting) if (by === told.kind) note(told);
    },
    text: async () => serializer.serialize((await exporter.collect()).resourceMetrics),
  };
}

type OtelMeter = import('@opentelemetry/api').Meter;

/** Returns what takes the samples of a metric. */
function instrumentOf(meter: OtelMeter, { name, kind, unit, description }: Metric) {
  const options = { unit, description };
  if (kind === 'gauge') {
    const gauge = meter.createGauge(name, options);
    return ([value, labels]: readonly [number | null, Attributes?]) =>
      gauge.record(value ?? Number.NaN, labels);
  }
  const counter = meter.createCounter(name, options);
  return ([value, labels]: readonly [number | null, Attributes?]) => counter.add(value ?? 0, labels);
}

async function packages() {
  try {
    const [metrics, prometheus, { resourceFromAttributes }] = await Promise.all([
      import('@opentelemetry/sdk-metrics'),
      import('@opentelemetry/exporter-prometheus'),
      import('@opentelemetry/resources'),
    ]);
    return { ...metrics, ...prometheus, resourceFromAttributes };
  } catch (cause) {
    throw new TributaryError(
      'TRIB_USAGE',
      `telemetry.http: expected the packages of OpenTelemetry, got "${String(cause).split('\n')[0]}". Add them with \`${INSTALL_COMMAND}\`, or leave the section out.`,
      { cause },
    );
  }
}
