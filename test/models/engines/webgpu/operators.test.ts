/** @file Which graphs run on WebGPU as a whole: graphs are compiled here, not run. Skipped with a message where SwiftShader is missing. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { requireHalf } from '../../../../src/models/engines/half-support.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { OP_NAMES } from '../../../../src/models/graph/op-names.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import {
  createSurrogate,
  SURROGATES,
  type SurrogateSettings,
} from '../../../../src/models/objectives/index.js';
import { buildPolicyGraph } from '../../../../src/models/policy/policy-graph.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { type OpenTiny, openTiny, TINY_TRAINER } from '../../../fixtures/open-tiny.js';
import { describeOnSwiftShader } from '../../../fixtures/webgpu/swiftshader.js';
import { emitCase } from '../../autodiff/check-gradient.js';
import { GRADIENT_CASES } from '../../autodiff/gradient-cases.js';
import type { OpCase } from '../../autodiff/op-case.js';
import { FORWARD_CASES } from '../../graph/forward-cases.js';

const PATIENCE = 600_000;
/** docs/gpu.md names these. */
const LACKING = ['Or', 'LogSoftmax', 'GroupNormalization'];

describeOnSwiftShader('operators on WebGPU', (startEngine) => {
  let webgpu: Engine;
  let tiny: OpenTiny;
  beforeAll(async () => {
    webgpu = startEngine();
    tiny = await openTiny();
  });
  afterAll(() => Promise.all([webgpu.close(), tiny.close()]));

  const leftToCpu = async (model: Uint8Array) => {
    const executable = await webgpu.compile(model, { label: 'graph' });
    await executable.release();
    expect(executable.provider).toBe('webgpu');
    return executable.fallbacks.length > 0;
  };

  it(
    'should say that this device has no half precision, and what to do',
    async () => {
      const [code, message] = await faultOf(() => requireHalf(webgpu));
      expect(code).toBe('TRIB_PROVIDER');
      expect(message).toBe(
        'provider webgpu: expected a device that computes in half precision, as model.precision float16 asks for, got "Program Cast requires f16 but the device does not support it". Set model.precision: float32, or another provider; tributary doctor shows which ones can.',
      );
    },
    PATIENCE,
  );

  it(
    'should have all that graphs are written in, but for the ones that are named',
    async () => {
      const cases = [...Object.values(GRADIENT_CASES).flat(), ...FORWARD_CASES];
      const isWhole = async (testCase: OpCase) => {
        const g = new GraphBuilder();
        const { outputs } = emitCase(g, testCase, 'case');
        for (const [index, output] of outputs.entries()) g.output(output, `y${index}`);
        return !(await leftToCpu(encodeGraph(g.build())));
      };
      const had = new Set<string>();
      for (const testCase of cases)
        if (!had.has(testCase.op) && (await isWhole(testCase))) had.add(testCase.op);
      expect(OP_NAMES.filter((name) => !had.has(name))).toEqual(LACKING);
    },
    PATIENCE,
  );

  it.each(SURROGATES.entries.map((surrogate) => [surrogate.name, surrogate.fields] as const))(
    'should have the whole training graph of %s',
    async (type, fields) => {
      const settings = z.object(fields as z.core.$ZodLooseShape).parse({});
      const surrogate = { type, ...settings } as SurrogateSettings;
      const measureKl = createSurrogate(surrogate).trainsOn === 'steps';
      const { graph } = await buildPolicyGraph(tiny.engine, tiny.pipeline, {
        ...TINY_TRAINER,
        surrogate,
        measureKl,
      });
      expect(await leftToCpu(encodeGraph(graph))).toBe(false);
    },
    PATIENCE,
  );
});
