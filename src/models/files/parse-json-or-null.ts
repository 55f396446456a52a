/** Returns what a text means as JSON, or null where it is not JSON: for files that a crash may have cut short. */
export function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
