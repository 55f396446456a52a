/** Lines up cells in columns: the first to the left, the others to the right. Wide gaps begin a group of columns. */
export function textTable(rows: readonly (readonly string[])[], groups: readonly number[] = []): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => {
    const widest = Math.max(...rows.map((row) => row[column]?.length ?? 0));
    return widest + (column === 0 ? 0 : groups.includes(column) ? 5 : 2);
  });
  const aligned = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(aligned).join('').trimEnd()).join('\n');
}
