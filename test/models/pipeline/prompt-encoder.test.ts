import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { ModelProtoSchema } from '../../../src/models/graph/onnx/onnx_pb.js';
import { openPromptEncoder } from '../../../src/models/pipeline/prompt-encoder.js';
import { openTiny } from '../../fixtures/open-tiny.js';

it('should say when it is opened that a text encoder asks for more than token ids', async () => {
  const { engine, pipeline, close } = await openTiny();
  try {
    const path = join(pipeline.folder.denoiser.modelPath, '../../text_encoder/model.onnx');
    const model = decodeModel(await readFile(path), 'text encoder');
    const [ids] = model.graph.input;
    if (ids) model.graph.input.push({ ...ids, name: 'attention_mask' });
    await writeFile(path, toBinary(ModelProtoSchema, model));
    await expect(openPromptEncoder(engine, pipeline.folder)).rejects.toMatchObject({
      code: 'TRIB_MODEL',
      message: `${path}: expected only the input input_ids, got input_ids, attention_mask. Export the text encoder as diffusers calls it, without a mask.`,
    });
  } finally {
    await close();
  }
});
