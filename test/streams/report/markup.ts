const VOID_TAGS = new Set(['meta', 'br', 'hr', 'img', 'link']);

/** The names of all elements of a document, in order; throws where tags do not nest. */
export function elementsOf(html: string): string[] {
  const open: string[] = [];
  const found: string[] = [];
  // Style sheets hold no tags, but may hold `>`.
  const text = html.replace(/<style>[^<]*<\/style>/g, '').replace(/^<!doctype html>/, '');
  for (const [, close, name = '', attributes = '', self] of text.matchAll(
    /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w-]+(?:="[^"<]*")?)*)\s*(\/?)>/g,
  )) {
    if (close) {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}>`);
    } else {
      found.push(name);
      if (!self && !VOID_TAGS.has(name)) open.push(name);
      const attributeNames = [...attributes.matchAll(/([\w-]+)=/g)].map((match) => match[1]);
      if (new Set(attributeNames).size < attributeNames.length)
        throw new Error(`<${name}> repeats an attribute`);
    }
  }
  const stray = text.replace(/<\/?[a-zA-Z][^<>]*>/g, '');
  if (/[<>]/.test(stray)) throw new Error(`stray bracket: ${/.{0,30}[<>].{0,30}/.exec(stray)?.[0]}`);
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return found;
}
