// A thread: its messages, what it waits for, and where one answers.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Info, LoaderCircle } from 'lucide-react'
import { memo, useCallback, useMemo, useRef } from 'react'
import { currentClient } from '../../api.ts'
import { ErrorNote } from '../../components/error-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { ASSISTANT, type Choices, contextOf, useChoices } from './choices.ts'
import { Composer } from './composer.tsx'
import { keepSending, newId, type Sending } from './drafts.ts'
import { type Entry, entriesOf, type Turn, textOf } from './entries.ts'
import { Interrupts } from './interrupts.tsx'
import { MessageList } from './message-list.tsx'
import { Answer, Note, Question } from './messages.tsx'
import { keys, modelsQuery } from './thread-data.ts'
import { type Todo, Todos } from './todos.tsx'
import { TurnEnd } from './turn-end.tsx'
import { upload } from './uploads.ts'
import { type Talk, useConversation } from './use-conversation.ts'
import { Welcome } from './welcome.tsx'

const NO_TODOS: Todo[] = []

interface ConversationProps {
  thread_id: string
  exists: boolean
  /** The thread's own, once it has one. */
  assistant_id: string | undefined
  /** The thread has been made. */
  onThread: () => void
  resumed: boolean
  onLost: () => void
}

/** The stream's every token comes here, and goes on when there is something to draw. */
export function Conversation({ thread_id, exists, assistant_id, resumed, onThread, onLost }: ConversationProps) {
  const [choices, onChoose] = useChoices()
  const assistant = assistant_id ?? choices.assistant_id ?? ASSISTANT
  const talk = useConversation({ thread_id, exists, assistant_id: assistant, resumed, onLost })
  return <View {...{ talk, thread_id, exists, assistant, choices, onChoose, onThread }} />
}

interface ViewProps extends Pick<ConversationProps, 'thread_id' | 'exists' | 'onThread'> {
  talk: Talk
  assistant: string
  choices: Choices
  onChoose: (choices: Choices) => void
}

const View = memo(function View({ talk, thread_id, exists, assistant, choices, onChoose, onThread }: ViewProps) {
  const queries = useQueryClient()
  const { messages, rows, branches, tasks, busy } = talk
  const { data: models = [] } = useQuery(modelsQuery)
  const entries = useMemo(() => entriesOf(messages), [messages])
  const growing = busy ? messages.at(-1) : undefined
  const runOf = (turn: Turn) => rows?.get(turn.question?.id ?? '')?.run_id

  const prepared = (text: string, files: object[] = []): Omit<Sending, 'checkpoint_id'> => {
    const additional_kwargs = files.length > 0 ? { additional_kwargs: { files } } : {}
    return {
      message: { type: 'human', id: newId(), content: text, ...additional_kwargs } as Sending['message'],
      assistant_id: assistant,
      context: contextOf(choices),
    }
  }
  const send = async (text: string, files: File[]) => {
    const client = currentClient()
    if (!exists)
      await client.threads.create({
        threadId: thread_id,
        ifExists: 'do_nothing',
        metadata: { assistant_id: assistant },
      })
    const sending = prepared(text, await upload(thread_id, files))
    if (exists) return talk.send(sending)
    // It is sent as soon as the page is at the thread's own address, also if it is loaded again before that.
    keepSending(thread_id, sending)
    void queries.invalidateQueries({ queryKey: keys.list })
    onThread()
  }

  const latest = useLatest({ talk, branches, runOf, prepared, rows })
  const edit = useCallback(
    (message_id: string, text: string) => {
      const { talk, branches, prepared, rows } = latest.current
      const from = branches.before(rows?.get(message_id)?.run_id ?? '')
      if (from) talk.replace(prepared(text), message_id, from)
    },
    [latest],
  )
  const again = useCallback(
    (turn: Turn) => {
      const { talk, branches, runOf, prepared } = latest.current
      const from = branches.before(runOf(turn) ?? '')
      const { question } = turn
      if (from && question?.id)
        talk.replace({ ...prepared(textOf(question)), message: { ...question, id: newId() } }, question.id, from)
    },
    [latest],
  )

  const render = (entry: Entry) => {
    switch (entry.kind) {
      case 'question': {
        const run_id = rows?.get(entry.message.id ?? '')?.run_id ?? ''
        const canEdit = !busy && branches.before(run_id) !== undefined
        return (
          <Question
            message={entry.message}
            alternatives={busy ? undefined : branches.alternatives(run_id)}
            onBranch={talk.show}
            onEdit={canEdit ? text => edit(entry.message.id as string, text) : undefined}
          />
        )
      }
      case 'answer': {
        const isLast = growing === entry.message || (busy && entries.at(-2) === entry)
        return (
          <Answer
            message={entry.message}
            results={entry.results}
            growing={growing === entry.message}
            live={isLast}
            tasks={tasks}
          />
        )
      }
      case 'note':
        return <Note message={entry.message} />
      case 'end': {
        if (busy && entries.at(-1) === entry) return null
        const { turn } = entry
        const canRepeat = !busy && turn.question !== undefined && branches.before(runOf(turn) ?? '') !== undefined
        const row = rows?.get(turn.answers.at(-1)?.id ?? '')
        return (
          <TurnEnd
            thread_id={thread_id}
            turn={turn}
            row={row}
            models={models}
            onAgain={canRepeat ? () => again(turn) : undefined}
          />
        )
      }
    }
  }

  const empty = messages.length === 0 && !busy && !talk.loading && !talk.error
  return (
    <div className="flex min-h-0 flex-1 flex-col" data-busy={busy}>
      {talk.loading ? (
        <div className="flex-1">
          <Spinner label="Opening the conversation" />
        </div>
      ) : empty ? (
        <Welcome onSay={text => void send(text, [])} />
      ) : (
        <MessageList entries={entries} render={render} foot={<Foot talk={talk} />} />
      )}
      <div className="mx-auto w-full max-w-[50rem] px-4 pb-4">
        <Todos todos={talk.todos ?? NO_TODOS} />
        {talk.interrupts.length > 0 && <Interrupts interrupts={talk.interrupts} onAnswer={talk.answer} />}
        {talk.interrupts.every(({ value }) => value === undefined) && (
          <Composer
            thread_id={thread_id}
            exists={exists}
            choices={choices}
            onChoose={onChoose}
            busy={busy}
            onStop={talk.stop}
            onSend={send}
          />
        )}
      </div>
    </div>
  )
})

function useLatest<T>(value: T) {
  const latest = useRef(value)
  latest.current = value
  return latest
}

/** How the run gets on, in plain lines. */
function Foot({ talk }: { talk: Talk }) {
  const { busy, queued, line, attempt, stopped, error } = talk
  return (
    <div className="grid gap-2">
      {busy && line !== 'lost' && (
        <p className="flex items-center gap-2 text-muted">
          <LoaderCircle size={14} className="animate-spin" aria-hidden /> Answering…
        </p>
      )}
      <div role="status" className="grid gap-1 text-muted empty:hidden">
        {attempt > 1 && (
          <Line>The server was lost in the middle of this answer; another took it over (attempt {attempt}).</Line>
        )}
        {line === 'lost' && <Line>The connection is lost. The run goes on; this page tries to come back.</Line>}
        {line === 'resumed' && <Line>The connection was lost, and the answer was taken up where it broke off.</Line>}
        {queued && <Line>Another run of this thread waits for its turn.</Line>}
        {stopped && <Line>Stopped. What was not finished is not part of the conversation.</Line>}
      </div>
      {error && <ErrorNote error={error} onRetry={talk.refresh} />}
    </div>
  )
}

function Line({ children }: { children: React.ReactNode }) {
  return (
    <p className="flex items-start gap-2">
      <Info size={14} className="mt-0.75 shrink-0" aria-hidden />
      <span>{children}</span>
    </p>
  )
}
