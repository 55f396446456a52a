import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { schedulerConfigJson } from '../../../../src/models/diffusion/scheduler-config.js';
import { readSchedulerConfig } from '../../../../src/models/pipeline/scheduler/read-scheduler-config.js';
import { schedulerFamily } from '../../../../src/models/pipeline/scheduler/scheduler-classes.js';
import { STABLE_DIFFUSION } from '../../diffusion/schedules.js';

/** What diffusers has and reads; made by tools/reference/diffusers_readings.py. */
const { schedulers, readings } = JSON.parse(
  readFileSync('test/fixtures/diffusers-readings.json', 'utf8'),
) as {
  readonly schedulers: readonly string[];
  readonly readings: readonly {
    readonly pipeline: string;
    readonly file: object;
    readonly read: { readonly steps_offset: number };
  }[];
};

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scheduler-'));
  path = join(folder, 'scheduler_config.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('readSchedulerConfig', () => {
  test('should read the file that Stable Diffusion 1.5 ships', async () => {
    await writeFile(
      path,
      `{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule":
        "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null, "clip_sample": false}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
  });

  test('should read what Python writes for numbers that JSON does not have', async () => {
    await writeFile(
      path,
      `{"_class_name": "DPMSolverMultistepScheduler", "note": "-Infinity, \\"NaN\\"", "beta_end": 0.012, "beta_start":
        0.00085, "beta_schedule": "scaled_linear", "lambda_min_clipped": -Infinity, "other": [Infinity, NaN],
        "steps_offset": 1, "set_alpha_to_one": false}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
    const text = await readFile(path, 'utf8');
    await writeFile(path, `\uFEFF${text}`);
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
    await writeFile(path, '{"beta_end": -Infinity}');
    await expect(readSchedulerConfig(path)).rejects.toThrow(
      'beta_end: expected a number in (0, 1), got -Infinity',
    );
  });

  test('should read the files that SDXL and Stable Diffusion 2.1 ship', async () => {
    await writeFile(
      path,
      `{"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "interpolation_type": "linear",
        "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": null,
        "use_karras_sigmas": false}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
    await writeFile(
      path,
      `{"_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", "beta_end": 0.012, "beta_schedule":
        "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "num_train_timesteps": 1000, "prediction_type":
        "v_prediction", "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null}`,
    );
    expect(await readSchedulerConfig(path)).toEqual({ ...STABLE_DIFFUSION, predictionType: 'v_prediction' });
  });

  test('should leave out a spacing of sigmas, which belongs to another sampler', async () => {
    const config = { ...schedulerConfigJson(STABLE_DIFFUSION), _class_name: 'DPMSolverMultistepScheduler' };
    await writeFile(
      path,
      JSON.stringify({ ...config, use_karras_sigmas: true, algorithm_type: 'dpmsolver++' }),
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
  });

  test.each([
    ['TCDScheduler', 'distilled to a few steps'],
    ['LCMScheduler', 'distilled to a few steps'],
    ['FlowMatchLCMScheduler', 'distilled to a few steps'],
    ['FlowMatchHeunDiscreteScheduler', 'does not take the Euler steps'],
    ['EDMEulerScheduler', 'take a noise level'],
    ['DDIMInverseScheduler', 'turns pictures into noise'],
    ['FlowMatchEulerDiscreteSchedulerOfMine', 'is unknown'],
    ['DDIM', 'is unknown'],
  ])('should refuse %s by its whole name, with the reason', async (name, reason) => {
    await writeFile(path, JSON.stringify({ _class_name: name, shift: 3 }));
    const text = `${path} _class_name: expected one of DDIMParallelScheduler, DDIMScheduler, `;
    const message = expect.stringMatching(`^${text}.*got "${name}", which .*${reason}.*\\. \\S.*\\.$`);
    await expect(readSchedulerConfig(path)).rejects.toEqual(
      expect.objectContaining({ code: 'TRIB_MODEL', message }),
    );
  });

  test('should know every scheduler of diffusers, each as one to read or one to refuse with a reason', () => {
    const read = schedulers.filter((name) => typeof schedulerFamily(name) === 'string');
    expect(read).toHaveLength(17);
    for (const name of schedulers) {
      const family = schedulerFamily(name);
      if (typeof family !== 'string') expect(family.got).not.toContain('not known');
    }
  });

  test('should take the class that model_index.json names, and refuse one of another family', async () => {
    const context = (schedulerClass: string) => ({ pipelineClass: '', warn: () => {}, schedulerClass });
    await writeFile(path, '{"shift": 3}');
    const flow = { predictionType: 'flow', numTrainTimesteps: 1000, shift: 3 };
    expect(await readSchedulerConfig(path, context('FlowMatchEulerDiscreteScheduler'))).toEqual(flow);
    await expect(readSchedulerConfig(path, context('LCMScheduler'))).rejects.toThrow(
      `${path}, which model_index.json calls: expected one of`,
    );
    await writeFile(path, JSON.stringify(schedulerConfigJson(STABLE_DIFFUSION)));
    expect(await readSchedulerConfig(path, context('PNDMScheduler'))).toEqual(STABLE_DIFFUSION);
    await expect(readSchedulerConfig(path, context('FlowMatchEulerDiscreteScheduler'))).rejects.toThrow(
      '_class_name: expected FlowMatchEulerDiscreteScheduler as in model_index.json, got "DDIMScheduler"',
    );
  });

  test.each(readings.map((reading) => [reading.pipeline, JSON.stringify(reading.file), reading] as const))(
    'should read as diffusers, in a %s: %s',
    async (pipelineClass, file, { read }) => {
      await writeFile(path, file);
      const warnings: string[] = [];
      const config = await readSchedulerConfig(path, {
        pipelineClass,
        warn: (message) => warnings.push(message),
        schedulerClass: null,
      });
      expect(schedulerConfigJson(config)).toMatchObject(read);
      const written = JSON.parse(file).steps_offset;
      const isCorrected = written !== undefined && written !== read.steps_offset;
      expect(warnings).toHaveLength(isCorrected ? 1 : 0);
      if (isCorrected) {
        expect(warnings[0]).toBe(
          `${path} steps_offset: ${written} is read as 1, as StableDiffusionPipeline of diffusers corrects it. ` +
            'Write 1 into the file, or name another pipeline in model_index.json.',
        );
      }
    },
  );

  test('should read a clipping scheduler as one that does not clip where the pipeline corrects it', async () => {
    const content = { ...schedulerConfigJson(STABLE_DIFFUSION), clip_sample: true };
    await writeFile(path, JSON.stringify(content));
    const warnings: string[] = [];
    const context = { warn: (message: string) => warnings.push(message), schedulerClass: null };
    const read = readSchedulerConfig(path, { ...context, pipelineClass: 'StableDiffusionPipeline' });
    expect(await read).toEqual(STABLE_DIFFUSION);
    expect(warnings).toEqual([expect.stringContaining('clip_sample: true is read as false')]);
    const refused = readSchedulerConfig(path, { ...context, pipelineClass: 'StableDiffusionXLPipeline' });
    await expect(refused).rejects.toThrow('clip_sample: expected false (a clipped step has no');
  });

  test('should read back what it writes', async () => {
    const config = {
      numTrainTimesteps: 500,
      betaStart: 0.001,
      betaEnd: 0.03,
      betaSchedule: 'squaredcos_cap_v2',
      predictionType: 'v_prediction',
      timestepSpacing: 'trailing',
      stepsOffset: 0,
      setAlphaToOne: true,
    } as const;
    await writeFile(path, JSON.stringify(schedulerConfigJson(config)));
    expect(await readSchedulerConfig(path)).toEqual(config);
  });

  test('should read the file that Stable Diffusion 3 ships as a flow, and read back what it writes', async () => {
    const config = { predictionType: 'flow', numTrainTimesteps: 1000, shift: 3 } as const;
    await writeFile(
      path,
      `{"_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.29.0.dev0",
        "num_train_timesteps": 1000, "shift": 3.0}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(config);
    await writeFile(path, JSON.stringify(schedulerConfigJson({ ...config, shift: 1.5 })));
    expect(await readSchedulerConfig(path)).toEqual({ ...config, shift: 1.5 });
    const dynamicShift = {
      type: 'linear',
      baseShift: 0.4,
      maxShift: 2,
      baseTokens: 9,
      maxTokens: 99,
    } as const;
    const whole = { ...config, dynamicShift, shiftTerminal: 0.05, sigmaSpacing: 'karras' } as const;
    await writeFile(path, JSON.stringify(schedulerConfigJson(whole)));
    expect(await readSchedulerConfig(path)).toEqual(whole);
  });

  test.each([
    [
      { use_dynamic_shifting: true, max_image_seq_len: 256 },
      'max_image_seq_len: expected more than base_image_seq_len 256, got 256',
    ],
    [{ time_shift_type: 'sigmoid' }, 'time_shift_type: expected exponential or linear, got "sigmoid"'],
    [
      { use_karras_sigmas: true, use_beta_sigmas: true },
      'use_karras_sigmas, use_beta_sigmas: expected at most one of them true, got 2',
    ],
    [
      { stochastic_sampling: true },
      'stochastic_sampling: expected false (the config of a run decides on the noise; `sde: cps` with `eta: 1` takes the same steps), got true',
    ],
    [{ shift: 0 }, 'shift: expected a number in [0.001, 1000], got 0'],
    [{ shift: 1e30 }, 'shift: expected a number in [0.001, 1000], got 1e+30'],
    [{ num_train_timesteps: 1e9 }, 'num_train_timesteps: expected an integer in 2..100000, got 1000000000'],
    [{ shift_terminal: 1 }, 'shift_terminal: expected a number in (0, 1), got 1'],
    [{ invert_sigmas: true }, 'invert_sigmas: expected false (noise must grow with sigma), got true'],
  ])('should refuse %j of a flow by name', async (content, text) => {
    await writeFile(path, JSON.stringify({ _class_name: 'FlowMatchEulerDiscreteScheduler', ...content }));
    const fault = expect.objectContaining({ code: 'TRIB_MODEL', message: expect.stringContaining(text) });
    await expect(readSchedulerConfig(path)).rejects.toEqual(fault);
  });

  test.each([
    [
      { beta_schedule: 'laplace' },
      'beta_schedule: expected one of linear, scaled_linear, squaredcos_cap_v2, got "laplace"',
    ],
    [
      { prediction_type: 'flow' },
      'prediction_type: expected one of epsilon, sample, v_prediction, got "flow"',
    ],
    [{ beta_end: 1.5 }, 'beta_end: expected a number in (0, 1), got 1.5'],
    [{ num_train_timesteps: '1000' }, 'num_train_timesteps: expected an integer in 2..100000, got "1000"'],
    [{ num_train_timesteps: 2_000_000_000 }, 'expected an integer in 2..100000, got 2000000000'],
    [{ num_train_timesteps: 1e300 }, 'expected an integer in 2..100000, got 1e+300'],
    [{ steps_offset: 1000 }, 'steps_offset: expected less than num_train_timesteps 1000, got 1000'],
    [{ steps_offset: 1e9 }, 'steps_offset: expected an integer in 0..100000, got 1000000000'],
    [{ beta_start: 0 }, 'beta_start: expected a number in (0, 1), got 0'],
    [{ beta_start: 1e-300, beta_end: 1e-300 }, 'expected betas that leave noise at the first timestep'],
    [{ beta_start: 0.5, beta_end: 0.99 }, 'signal at the last, got products of 1 - beta from 0.5 to'],
    [
      { clip_sample: true },
      'clip_sample: expected false (a clipped step has no Gaussian policy mean), got true',
    ],
    [
      { _class_name: 'DPMSolverMultistepScheduler', use_flow_sigmas: true },
      'use_flow_sigmas: expected false (a flow is read from FlowMatchEulerDiscreteScheduler), got true',
    ],
    [
      { _class_name: 'EulerDiscreteScheduler', timestep_type: 'continuous' },
      'timestep_type: expected discrete (the network takes training timesteps), got "continuous"',
    ],
    [
      { rescale_betas_zero_snr: true },
      'prediction_type: expected v_prediction or sample, because rescale_betas_zero_snr leaves nothing of the picture at the last timestep, got "epsilon"',
    ],
    [
      { thresholding: true },
      'thresholding: expected false (a thresholded step has no Gaussian policy mean), got true',
    ],
    [
      { timestep_spacing: 'karras' },
      'timestep_spacing: expected one of leading, trailing, linspace, got "karras"',
    ],
    [{ trained_betas: [0.1] }, 'trained_betas: expected null (only named schedules are read), got [0.1]'],
    [{ rescale_betas_zero_snr: 1, steps_offset: -1 }, 'got -1 (and 1 more)'],
  ])('should refuse %j by name', async (content, text) => {
    await writeFile(path, JSON.stringify(content));
    const fault = expect.objectContaining({ code: 'TRIB_MODEL', message: expect.stringContaining(text) });
    await expect(readSchedulerConfig(path)).rejects.toEqual(fault);
    await expect(readSchedulerConfig(path)).rejects.toThrow(path);
  });

  test.each([
    ['', 'expected JSON, got an empty file'],
    ['{"beta_start": 0.0', 'expected JSON, got 18 characters that do not parse'],
    ['[]', 'content: expected an object, got []'],
  ])('should refuse the text %j', async (content, text) => {
    await writeFile(path, content);
    await expect(readSchedulerConfig(path)).rejects.toThrow(text);
  });
});
