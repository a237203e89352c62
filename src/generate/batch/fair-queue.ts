/** Items that wait, taken by turns from each client, so that one who asks a lot keeps nobody else waiting for long. */
export interface FairQueue<Item> {
  readonly size: number;
  push(client: string, item: Item): void;
  /** The item whose turn it is, left where it is. */
  peek(): Item | undefined;
  /** Takes that item out; its client's next one waits behind one of each other client. */
  shift(): Item | undefined;
  /** Takes `item` out wherever it waits; false where it does not. */
  remove(item: Item): boolean;
}

export function createFairQueue<Item>(): FairQueue<Item> {
  // A Map iterates in insertion order: its first client is the one whose turn it is.
  const lines = new Map<string, Item[]>();
  return {
    get size() {
      return [...lines.values()].reduce((sum, line) => sum + line.length, 0);
    },
    push(client, item) {
      const line = lines.get(client);
      if (line) line.push(item);
      else lines.set(client, [item]);
    },
    peek() {
      for (const [item] of lines.values()) return item;
      return undefined;
    },
    shift() {
      for (const [client, line] of lines) {
        const item = line.shift();
        lines.delete(client);
        if (line.length > 0) lines.set(client, line);
        return item;
      }
      return undefined;
    },
    remove(item) {
      for (const [client, line] of lines) {
        const at = line.indexOf(item);
        if (at < 0) continue;
        line.splice(at, 1);
        if (line.length === 0) lines.delete(client);
        return true;
      }
      return false;
    },
  };
}
