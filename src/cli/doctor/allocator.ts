/** @file Whether memory that a model gave back goes back to the system. */

/** Either of them makes glibc give freed weights back, as it then stops raising the size from which it maps memory. */
const VARIABLES = ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_'] as const;

export interface Allocator {
  /** The version of glibc; null where another library allocates. */
  readonly glibc: string | null;
  /** Whether weights of a released model leave the process; glibc by itself keeps those below 32 MiB in its heaps. */
  readonly returnsWeights: boolean;
}

/** Returns what allocates in this process. */
export function findAllocator(environment: Readonly<Record<string, string | undefined>>): Allocator {
  const glibc = glibcVersion();
  const isSet = VARIABLES.some((name) => environment[name]);
  return { glibc, returnsWeights: glibc === null || isSet };
}

/** What can be done where freed weights stay; none where they do not. One line each. */
export function allocatorAdvice({ returnsWeights }: Allocator): string[] {
  if (returnsWeights) return [];
  return [
    `The memory of released models stays with the process. Set ${VARIABLES[0]}=131072 if models are loaded repeatedly`,
    '(docs/performance.md).',
  ];
}

function glibcVersion(): string | null {
  if (process.platform !== 'linux' || !process.report) return null;
  // Else the report asks for the names of all open connections.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { readonly header?: { glibcVersionRuntime?: unknown } };
  return typeof header?.glibcVersionRuntime === 'string' ? header.glibcVersionRuntime : null;
}
