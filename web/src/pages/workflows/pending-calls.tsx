// What a workflow run waits for: questions to a person, and calls of tools that the client has. Both are answered here.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Hand } from 'lucide-react'
import { useId, useState } from 'react'
import { z } from 'zod'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { workflows } from './client.ts'
import { runKey } from './live-run.ts'

interface Call {
  node_id: string
  step: number
  request_id: string
  tool_call: { id: string; name: string; arguments: string }
}

const ask = z.object({
  question: z.string(),
  options: z.array(z.object({ label: z.string(), description: z.string().optional() })).default([]),
  allow_freeform: z.boolean().default(true),
})

export function PendingCalls({ run_id }: { run_id: string }) {
  const pending = useQuery({
    queryKey: [...runKey(run_id), 'pending'],
    queryFn: () => workflows().pendingTools(run_id),
  })
  if (pending.isError) return <ErrorNote error={pending.error} onRetry={() => void pending.refetch()} />
  const calls = pending.data?.pending.flatMap(({ tool_calls, ...step }) =>
    tool_calls.map(({ tool_call }): Call => ({ ...step, tool_call })),
  )
  if (!calls || calls.length === 0) return null
  return (
    <section aria-label="Waiting for answers" className="overflow-hidden rounded-lg border border-warn bg-surface">
      <h2 className="flex items-center gap-2 bg-warn-wash px-4 py-2 font-semibold text-warn">
        <Hand size={15} aria-hidden />
        {calls.length === 1 ? 'The run waits for your answer' : `The run waits for ${calls.length} answers`}
      </h2>
      {calls.map(call => (
        <CallForm key={`${call.request_id} ${call.tool_call.id}`} run_id={run_id} call={call} />
      ))}
    </section>
  )
}

function CallForm({ run_id, call }: { run_id: string; call: Call }) {
  const { node_id, step, request_id, tool_call } = call
  const queries = useQueryClient()
  const send = useMutation({
    mutationFn: (result: { output: string; error?: string }) =>
      workflows().submitToolResults(run_id, { node_id, step, request_id, results: [{ tool_call, ...result }] }),
    onSuccess: () => queries.invalidateQueries({ queryKey: runKey(run_id) }),
  })
  const asked = tool_call.name === 'user_ask' ? ask.safeParse(argumentsOf(tool_call.arguments)).data : undefined
  return (
    <div className="border-t p-4">
      {asked ? (
        <>
          <p className="text-base font-medium">{asked.question}</p>
          <p className="mb-3 text-xs text-muted">asked by {node_id}</p>
          {asked.options.length > 0 && (
            <div className="mb-3 flex flex-wrap gap-2">
              {asked.options.map(({ label, description }) => (
                <Button
                  key={label}
                  title={description}
                  disabled={send.isPending}
                  onClick={() => send.mutate({ output: JSON.stringify({ answer: label, is_freeform: false }) })}
                >
                  {label}
                </Button>
              ))}
            </div>
          )}
          {asked.allow_freeform && (
            <AnswerField
              label={asked.options.length > 0 ? 'Or in your words' : 'Your answer'}
              action="Answer"
              disabled={send.isPending}
              onDone={text => send.mutate({ output: JSON.stringify({ answer: text, is_freeform: true }) })}
            />
          )}
        </>
      ) : (
        <>
          <p className="font-medium">
            <code>{tool_call.name}</code>
          </p>
          <p className="mb-2 text-xs text-muted">called by {node_id}</p>
          <JsonView value={argumentsOf(tool_call.arguments)} depth={2} />
          <div className="mt-3">
            <AnswerField
              label="What the tool returns"
              action="Return it"
              disabled={send.isPending}
              onDone={output => send.mutate({ output })}
              onFail={error => send.mutate({ output: '', error })}
            />
          </div>
        </>
      )}
      {send.isError && (
        <div className="mt-3">
          <ErrorNote error={send.error} />
        </div>
      )}
    </div>
  )
}

function AnswerField({
  label,
  action,
  disabled,
  onDone,
  onFail,
}: {
  label: string
  action: string
  disabled: boolean
  onDone: (text: string) => void
  onFail?: (error: string) => void
}) {
  const [text, setText] = useState('')
  const id = useId()
  const isEmpty = text.trim() === ''
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (!isEmpty) onDone(text)
      }}
    >
      <label htmlFor={id} className="mb-1 block text-xs text-muted">
        {label}
      </label>
      <div className="flex flex-wrap items-start gap-2">
        <textarea
          id={id}
          rows={1}
          className="field field-sizing-content max-h-52 min-w-0 flex-1 basis-48 resize-none"
          value={text}
          onChange={event => setText(event.target.value)}
        />
        <Button kind="primary" type="submit" disabled={disabled || isEmpty}>
          {action}
        </Button>
        {onFail && (
          <Button disabled={disabled || isEmpty} onClick={() => onFail(text)}>
            Say it failed
          </Button>
        )}
      </div>
    </form>
  )
}

/** As the model wrote them; a text that is no JSON as it is. */
function argumentsOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
