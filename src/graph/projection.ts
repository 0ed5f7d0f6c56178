// Requested stream modes are a view of the recording, made when it is read: frames with the names and shapes of the Agent
// Server API (contracts: langgraph §5.2, §5.3). What needs no change passes through as the text it was stored as.
import type { RunEvent } from '../events/log.ts'
import { LegacyMessages } from './projection-messages.ts'

export interface Frame {
  event: string
  /** JSON text. */
  data: string
  /** On the last frame of a stored event: its `seq`. */
  id?: string
}

export interface View {
  stream_mode: readonly string[]
  /** Show subgraphs, with their namespace in the event's name. */
  subgraphs: boolean
  /** Frames of events up to this `seq` are left out. */
  after: number
  /** Puts texts in the place of references (events/state.ts). */
  render: (data: string) => string | Promise<string>
}

/** Recorded by LangGraph wherever in the graph they come from, also for readers who want no subgraphs. */
const FROM_ANYWHERE = new Set(['messages', 'custom', 'tools'])

/** Whether a view has to be given the events from the first on, whatever its cursor, because it accumulates. */
export function needsHistory(stream_mode: readonly string[]): boolean {
  return stream_mode.includes('messages')
}

/** The frames of a view. For views that need history the events start at 1, for others after the cursor. */
export async function* project(events: AsyncIterable<RunEvent[]>, view: View): AsyncGenerator<Frame[]> {
  const shown = new Set(view.stream_mode)
  const legacy = needsHistory(view.stream_mode) ? new LegacyMessages() : undefined
  let { after } = view
  for await (const batch of events) {
    const frames: Frame[] = []
    for (const event of batch) {
      const how = showing(event, shown, legacy, view)
      if (!how) continue
      const rendered = view.render(event.data)
      const made = framesOf(typeof rendered === 'string' ? rendered : await rendered, how, view)
      const last = made.at(-1)
      if (event.event === 'gap') after = Math.min(after, event.seq - 1) // the cursor was beyond the log
      if (!last || event.seq <= after) continue
      frames.push(...made.slice(0, -1), { ...last, id: String(event.seq) })
    }
    if (frames.length > 0) yield frames
  }
}

/** The result of a run: its last root values, as JSON text, and the questions it left open (contracts: langgraph §4.10). */
export function waitResult(values: string | null, interrupts: readonly unknown[]): string {
  if (interrupts.length === 0) return values ?? 'null'
  return JSON.stringify({ ...JSON.parse(values ?? '{}'), __interrupt__: interrupts })
}

interface Showing {
  mode: string
  namespace: string
  /** Shown as itself. */
  direct: boolean
  legacy: LegacyMessages | undefined
}

/** How a view shows an event; undefined where it does not. */
function showing(
  event: RunEvent,
  shown: ReadonlySet<string>,
  legacy: LegacyMessages | undefined,
  view: View,
): Showing | undefined {
  const { mode, namespace } = nameOf(event)
  const visible = namespace === '' || view.subgraphs || FROM_ANYWHERE.has(mode)
  const direct = visible && shows(shown, mode)
  const teller = legacy?.concerns(mode, namespace) ? legacy : undefined
  return direct || teller ? { mode, namespace, direct, legacy: teller } : undefined
}

function framesOf(data: string, { mode, namespace, direct, legacy }: Showing, view: View): Frame[] {
  const frames = legacy?.frames(mode, data) ?? []
  if (!direct) return frames
  const name = mode === 'interrupt' ? 'values' : mode
  return [...frames, { event: view.subgraphs ? `${name}${namespace}` : name, data }]
}

/** `updates|a:1|b:2` is mode `updates` in namespace `|a:1|b:2`. */
function nameOf({ event }: RunEvent): { mode: string; namespace: string } {
  const end = event.indexOf('|')
  return end < 0 ? { mode: event, namespace: '' } : { mode: event.slice(0, end), namespace: event.slice(end) }
}

/** Whether a recorded mode shows as itself among the requested ones. */
function shows(shown: ReadonlySet<string>, mode: string): boolean {
  switch (mode) {
    case 'metadata':
    case 'error':
    case 'gap':
      return true
    case 'messages':
      return shown.has('messages-tuple')
    case 'interrupt':
      return shown.has('values')
    default:
      return shown.has(mode)
  }
}
