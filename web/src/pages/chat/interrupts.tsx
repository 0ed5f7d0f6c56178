// What a run waits for a person to say, as forms; all open questions of a thread are answered together, each by its id.
import type { Interrupt } from '@langchain/langgraph-sdk'
import { Hand, PauseCircle } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../components/button.tsx'
import { FreeAnswer } from './free-answer.tsx'
import { isReview, ReviewForm } from './review-form.tsx'

interface InterruptsProps {
  interrupts: readonly Interrupt[]
  /** Goes on with a value for `Command(resume)`; with undefined after a breakpoint. */
  onAnswer: (resume: unknown) => void
}

export function Interrupts({ interrupts, onAnswer }: InterruptsProps) {
  const asked = interrupts.filter(({ value }) => value !== undefined)
  const [answers, setAnswers] = useState<Record<number, unknown>>({})
  if (asked.length === 0) return <Breakpoint onGo={() => onAnswer(undefined)} />
  const single = asked.length === 1
  const say = (index: number, answer: unknown) =>
    single ? onAnswer(resumeOf(asked, [answer])) : setAnswers({ ...answers, [index]: answer })
  const left = asked.length - Object.keys(answers).length
  return (
    <section
      aria-label="The agent asks"
      className="mb-2 flex max-h-[60vh] flex-col overflow-hidden rounded-lg border border-warn bg-surface"
    >
      <header className="flex items-center gap-2 bg-warn-wash px-3.5 py-2 font-semibold text-warn">
        <Hand size={15} aria-hidden />
        {single ? 'The agent waits for your answer' : `The agent waits for ${asked.length} answers`}
      </header>
      <div className="min-h-0 overflow-y-auto">
        {asked.map(({ id, value }, index) => (
          <div key={id ?? index} className="border-t p-3.5">
            {index in answers ? (
              <div className="flex items-center gap-3 text-soft">
                Answered.
                <Button onClick={() => setAnswers(without(answers, index))}>Change</Button>
              </div>
            ) : isReview(value) ? (
              <ReviewForm review={value} onDone={answer => say(index, answer)} />
            ) : (
              <FreeAnswer value={value} onDone={answer => say(index, answer)} />
            )}
          </div>
        ))}
      </div>
      {!single && (
        <footer className="flex items-center justify-end gap-3 border-t p-3">
          <span className="text-muted">{left > 0 ? `${left} to go` : 'All answered'}</span>
          <Button
            kind="primary"
            disabled={left > 0}
            onClick={() =>
              onAnswer(
                resumeOf(
                  asked,
                  asked.map((_, index) => answers[index]),
                ),
              )
            }
          >
            Send the answers
          </Button>
        </footer>
      )}
    </section>
  )
}

function Breakpoint({ onGo }: { onGo: () => void }) {
  return (
    <section
      aria-label="The run was stopped"
      className="mb-2 flex items-center gap-2 rounded-lg border border-warn bg-warn-wash px-3.5 py-2 text-warn"
    >
      <PauseCircle size={15} aria-hidden />
      <span className="font-semibold">The last run was stopped before it was done.</span>
      <Button kind="primary" className="ml-auto" onClick={onGo}>
        Go on
      </Button>
    </section>
  )
}

/** Answers by the ids of their questions; one without an id is the answer itself. */
function resumeOf(asked: readonly Interrupt[], answers: readonly unknown[]): unknown {
  if (asked.some(({ id }) => !id)) return answers[0]
  return Object.fromEntries(asked.map(({ id }, index) => [id, answers[index]]))
}

function without(answers: Record<number, unknown>, index: number): Record<number, unknown> {
  return Object.fromEntries(Object.entries(answers).filter(([key]) => Number(key) !== index))
}
