import { describe, expect, it } from 'vitest';
import { describeTopology } from '../../../src/streams/config/describe.js';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { readConfigText } from '../../../src/streams/config/load-topology.js';

const CONFIG = 'config/shapes-ddpo.yaml';
const lint = async (...overrides: string[]) =>
  lintTopology(await readConfigText(CONFIG), CONFIG, { overrides });

describe('model.precision', () => {
  it('should be refused in half where TensorFlow.js runs something, at each', async () => {
    const { faults } = await lint('model.precision=float16', 'engine.sampler=tfjs', 'engine.trainer=tfjs');
    expect(faults.map(({ message }) => message)).toEqual(
      ['sampler', 'trainer'].map((stage) =>
        expect.stringContaining(
          `model.precision: expected float32 for TensorFlow.js, which has no half precision and runs the ${stage}, got float16. Set it to float32, or engine.${stage}: onnxruntime.`,
        ),
      ),
    );
  });

  it('should be described where it is half, with what it costs on the CPU', async () => {
    const described = async (...overrides: string[]) => {
      const { config } = await lint(...overrides);
      return config && describeTopology(config).find(([name]) => name === 'precision')?.[1];
    };
    expect(await described()).toBe(undefined);
    expect(await described('model.precision=float16')).toContain('slower than float32');
    expect(await described('model.precision=float16', 'engine.providers=[cuda, cpu]')).toBe('float16');
  });
});
