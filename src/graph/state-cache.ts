// The newest state of active threads, kept hydrated.

export class StateCache {
  /** Forgets a thread: after any ending but success, and when its state was changed from outside. */
  drop(_thread_id: string): void {}
}
