/** Ids of the prompts that became the newest groups. It bounds memory; which groups are the newest their index says. */
export class RecentIds {
  readonly #groups = new Map<string, number>();
  #newest = -1;

  constructor(private readonly maxGroups: number) {}

  has(id: string): boolean {
    return this.#groups.has(id);
  }

  add(id: string, groupIndex: number): void {
    this.#groups.set(id, groupIndex);
    this.#newest = Math.max(this.#newest, groupIndex);
    if (this.#groups.size < 2 * this.maxGroups) return;
    for (const [known, index] of this.#groups) {
      if (index <= this.#newest - this.maxGroups) this.#groups.delete(known);
    }
  }
}
