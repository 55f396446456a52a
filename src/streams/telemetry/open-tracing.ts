import { TributaryError } from '../../errors.js';
import type { Tracing } from './trace-groups.js';

/**
 * Returns what traces groups; undefined where the config does not ask for it. Spans go to the OpenTelemetry that the process
 * was started with.
 *
 * Errors: TRIB_USAGE where the package is missing.
 */
export async function openTracing({
  telemetry,
}: {
  readonly telemetry?: { readonly traces: boolean } | undefined;
}): Promise<Tracing | undefined> {
  if (!telemetry?.traces) return undefined;
  try {
    const api = await import('@opentelemetry/api');
    return { api, tracer: api.trace.getTracer('tributary') };
  } catch (cause) {
    throw new TributaryError(
      'TRIB_USAGE',
      `telemetry.traces: expected the package @opentelemetry/api, got "${String(cause).split('\n')[0]}". Add it with \`npm install @opentelemetry/api@1.9.1\`, or set traces to false.`,
      { cause },
    );
  }
}
