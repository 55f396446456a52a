/** @file Plain values as they come out of YAML: mappings, lists, scalars. Nothing here changes its arguments. */
import type { Path } from './fault.js';

type Mapping = Readonly<Record<string, unknown>>;

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keys that choose which settings stand beside them. */
const VARIANT_KEYS = ['type', 'rule', 'mode', 'from'];

/**
 * Lays one value over another: mappings are merged key by key, anything else is replaced. A mapping of another variant
 * (another `type`, `rule`, `mode` or `from`) replaces the one below as a whole, as its settings mean nothing there.
 */
export function mergeValues(under: unknown, over: unknown): unknown {
  if (!isMapping(under) || !isMapping(over) || areVariants(under, over)) return over;
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    merged.set(key, merged.has(key) ? mergeValues(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}

/** Whether `over` names another variant than `under` is. */
function areVariants(under: Mapping, over: Mapping): boolean {
  return VARIANT_KEYS.some((key) => {
    const variant = under[key] ?? defaultVariant(under, key);
    return variant !== undefined && key in over && variant !== over[key];
  });
}

/** The variant of a mapping that names none: rewards come from a model by default. */
function defaultVariant({ type }: Mapping, key: string): string | undefined {
  return type === 'reward' && key === 'from' ? 'model' : undefined;
}

/** Whether another value, laid over this one, hides everything at or below a path. */
export function isReplacedAt(under: unknown, over: unknown, path: Path): boolean {
  if (over === undefined) return false;
  if (!isMapping(under) || !isMapping(over) || areVariants(under, over)) return true;
  const [part, ...below] = path;
  return part !== undefined && isReplacedAt(valueAt(under, [part]), valueAt(over, [part]), below);
}

/** Returns what stands at a path, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const part of path) {
    const container = current as Record<string | number, unknown> | null;
    if (typeof container !== 'object' || container === null || !Object.hasOwn(container, part))
      return undefined;
    current = container[part];
  }
  return current;
}

/** Puts a value at a path, or with `undefined` takes out what is there. Missing mappings on the way are created. */
export function withValueAt(tree: unknown, path: Path, value: unknown): unknown {
  const [part, ...below] = path;
  if (part === undefined) return value;
  const inner = withValueAt(valueAt(tree, [part]), below, value);
  if (Array.isArray(tree)) return tree.map((item, index) => (index === Number(part) ? inner : item));
  const entries = new Map<string, unknown>(isMapping(tree) ? Object.entries(tree) : []);
  if (inner === undefined) entries.delete(String(part));
  else entries.set(String(part), inner);
  return Object.fromEntries(entries);
}
