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

/** After these the rest of what is known of the run has changed. */
const TURNS = /^run_|^node_(waiting|succeeded|failed|tool_result|user_answer)$/

export const runKey = (run_id: string) => ['workflow runs', run_id]

/** `broken`: why the events cannot be followed. */
export function useLiveRun(run_id: string): { live: LiveRun; broken: unknown } {
  const [live, setLive] = useState(EMPTY)
  const [broken, setBroken] = useState<unknown>()
  const queries = useQueryClient()
  useEffect(() => {
    const gone = new AbortController()
    let run = EMPTY
    let frame = 0
    const show = () => {
      frame = 0
      setLive(run)
    }
    const follow = async () => {
      const events = await workflows().streamEvents(run_id, { signal: gone.signal })
      for await (const event of events) {
        run = withEvent(run, event)
        frame ||= requestAnimationFrame(show)
        if (TURNS.test(event.type)) void queries.invalidateQueries({ queryKey: runKey(run_id) })
      }
    }
    setLive(EMPTY)
    follow().catch(error => {
      if (!gone.signal.aborted) setBroken(error)
    })
    return () => {
      gone.abort()
      cancelAnimationFrame(frame)
    }
  }, [run_id, queries])
  return { live, broken }
}

function withEvent(run: LiveRun, event: WorkflowEvent): LiveRun {
  if (event.type === 'run_failed' || event.type === 'run_canceled') return { ...run, error: event.error.message }
  if (!('node_id' in event)) return run
  const before = run.nodes.get(event.node_id) ?? { state: 'running', text: '' }
  const nodes = new Map(run.nodes).set(event.node_id, nodeAfter(before, event))
  return { ...run, nodes }
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
