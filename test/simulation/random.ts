// A seeded source of choices: the same seed makes the same choices (mulberry32).
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T
  }

  /** One of the keys, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [K, number])[0]
  }

  /** The weights, each of them as it is, or zero, or a few times as much: so that rounds differ in what they do. */
  skewed<K extends string>(weights: Readonly<Record<K, number>>): Record<K, number> {
    const entries = Object.entries(weights) as [K, number][]
    const skewed = entries.map(([key, weight]) => [key, weight * this.pick([0, 1, 1, 4])] as const)
    return skewed.some(([, weight]) => weight > 0) ? (Object.fromEntries(skewed) as Record<K, number>) : { ...weights }
  }
}
