/**
 * @file Names of nodes in models by PyTorch's dynamo exporter (torch.onnx.export with dynamo=True, the default from 2.9 on). Its
 * nodes are called `node_linear_7`; the layer is in the node's metadata, or in the name of its weight.
 */

import type { GraphProto, NodeProto } from './onnx_pb.js';

/** The modules around a node, outermost first, and its operator, as Python writes a list of texts. */
const SCOPES = 'pkg.torch.onnx.name_scopes';
const LAYERS: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv']);

/**
 * Gives nodes of layers the names that PyTorch's older exporter gives them: `/down_blocks.0/attentions.0/proj_in/MatMul`. A
 * node keeps a name of that kind. The layer is that of the metadata; else of the weight `<layer>.weight`, which a Transpose may
 * turn before.
 *
 * @returns whether any name changed.
 */
export function nameByLayer({ node: nodes, initializer }: GraphProto): boolean {
  if (nodes.some(({ name }) => name.startsWith('/'))) return false;
  const stored = new Set(initializer.map(({ name }) => name));
  const turned = new Map(
    nodes.filter(({ opType }) => opType === 'Transpose').map((node) => [node.output[0], node]),
  );
  const weightOf = ({ input: [, name = ''] }: NodeProto) =>
    stored.has(name) ? name : (turned.get(name)?.input[0] ?? '');
  const taken = new Set<string>();
  let isChanged = false;
  for (const node of nodes) {
    const layer =
      layerOf(node) ?? (LAYERS.has(node.opType) ? /^(.+)\.weight$/.exec(weightOf(node))?.[1] : undefined);
    if (!layer) continue;
    const plain = `/${layer.replaceAll(/\.(?!\d)/g, '/')}/${node.opType}`;
    let name = plain;
    for (let count = 1; taken.has(name); count++) name = `${plain}_${count}`;
    taken.add(name);
    node.name = name;
    isChanged = true;
  }
  return isChanged;
}

function layerOf({ metadataProps }: NodeProto): string | undefined {
  const written = metadataProps.find(({ key }) => key === SCOPES)?.value;
  const scopes = [...(written ?? '').matchAll(/'([^']*)'/g)].map(([, scope = '']) => scope);
  return scopes.at(-2) || undefined;
}
