// A workflow run as it happens: its events, each once and in order, as the states of its nodes.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { WorkflowEvent } from '../../../../src/protocol/workflow-events.ts'
import type { Mark } from '../graph/trace.ts'
import { workflows } from './client.ts'

export interface LiveNode {
  state: Mark['state']
  /** What its model has said so far. */
  text: string
  error?: string
}

export interface LiveRun {
  nodes: ReadonlyMap<string, LiveNode>
  /** Why it failed. */
  error?: string
}

const EMPTY: LiveRun = { nodes: new Map() }

/** After these what the run waits for, or how it is, has changed. */
const TURNS = /^run_|^node_(waiting|tool_result|user_answer)$/
/** After these what is known of a node has changed; there may be thousands, so one question at a time is enough. */
const ENDS = /^node_(succeeded|failed)$/

export const runKey = (run_id: string) => ['workflow runs', run_id]

/** `broken`: why the events cannot be followed. */
export function useLiveRun(run_id: string): { live: LiveRun; broken: unknown } {
  const [live, setLive] = useState(EMPTY)
  const [broken, setBroken] = useState<unknown>()
  const queries = useQueryClient()
  useEffect(() => {
    const gone = new AbortController()
    const nodes = new Map<string, LiveNode>()
    let error: string | undefined
    let frame = 0
    const show = () => {
      frame = 0
      setLive({ nodes: new Map(nodes), ...(error !== undefined && { error }) })
    }
    const refresh = (cancelRefetch: boolean) =>
      void queries.invalidateQueries({ queryKey: runKey(run_id) }, { cancelRefetch })
    const follow = async () => {
      const events = await workflows().streamEvents(run_id, { signal: gone.signal })
      for await (const event of events) {
        if (event.type === 'run_failed' || event.type === 'run_canceled') error = event.error.message
        if ('node_id' in event) {
          const before = nodes.get(event.node_id) ?? { state: 'running', text: '' }
          nodes.set(event.node_id, nodeAfter(before, event))
        }
        frame ||= requestAnimationFrame(show)
        if (TURNS.test(event.type)) refresh(true)
        else if (ENDS.test(event.type)) refresh(false)
      }
    }
    setLive(EMPTY)
    follow().catch(reason => {
      if (!gone.signal.aborted) setBroken(reason)
    })
    return () => {
      gone.abort()
      cancelAnimationFrame(frame)
    }
  }, [run_id, queries])
  return { live, broken }
}

function nodeAfter(node: LiveNode, event: WorkflowEvent): LiveNode {
  switch (event.type) {
    case 'node_waiting':
    case 'node_user_ask':
      return { ...node, state: 'asked' }
    case 'node_succeeded':
      return { ...node, state: 'done' }
    case 'node_failed':
      return { ...node, state: 'failed', error: event.error.message }
    case 'node_started':
    case 'node_tool_result':
    case 'node_user_answer':
      return { ...node, state: 'running' }
    case 'node_output_delta':
      return event.delta.text_delta ? { ...node, text: node.text + event.delta.text_delta } : node
    default:
      return node
  }
}
