// The slots of one run: how many of its nodes work at once. The lowest key among those that wait is next.

interface Waiter {
  key: string
  start: PromiseWithResolvers<() => void>
}

export class Slots {
  #free: number
  #waiting: Waiter[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Resolves with what gives the slot back. */
  take(key: string): Promise<() => void> {
    const start = Promise.withResolvers<() => void>()
    this.#waiting.push({ key, start })
    this.#next()
    return start.promise
  }

  #next() {
    while (this.#free > 0 && this.#waiting.length > 0) {
      const lowest = this.#waiting.reduce((a, b) => (b.key < a.key ? b : a))
      this.#waiting.splice(this.#waiting.indexOf(lowest), 1)
      this.#free--
      let given = false
      lowest.start.resolve(() => {
        if (given) return
        given = true
        this.#free++
        this.#next()
      })
    }
  }
}
