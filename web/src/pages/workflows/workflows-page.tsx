// Writing a workflow: the editor, what is wrong with it, its plan as a picture, and running it. What is written is kept in
// this browser.
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { BookOpen, CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react'
import { useRef, useState } from 'react'
import type { Workflow } from '../../../../src/client/workflow-runs.ts'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { Menu, MenuChoice } from '../../components/menu.tsx'
import { PageFrame, Panel } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import type { Checked, Problem } from './check.ts'
import { workflows } from './client.ts'
import { Editor, type EditorHandle } from './editor.tsx'
import { EXAMPLES, type Example, textOf } from './examples.ts'
import { InputForm } from './input-form.tsx'
import { PlanPicture } from './plan-picture.tsx'
import { RunList } from './run-list.tsx'

const KEPT = 'runloom:workflow'

export default function WorkflowsPage() {
  const [start, setStart] = useState(() => ({
    count: 0,
    text: localStorage.getItem(KEPT) ?? textOf(EXAMPLES[0] as Example),
  }))
  const [found, setFound] = useState<Checked>()
  const editor = useRef<EditorHandle>(null)
  const navigate = useNavigate()
  const run = useMutation({
    mutationFn: (given: { input: Record<string, unknown>; modelOverride?: string }) =>
      workflows().createWithOptions(found?.compiled?.spec as Workflow, given),
    onSuccess: ({ run_id }) => navigate({ to: '/workflows/$runId', params: { runId: run_id } }),
  })
  const keep = (text: string) => localStorage.setItem(KEPT, text)
  const begin = (example: Example) => {
    const text = textOf(example)
    keep(text)
    setStart({ count: start.count + 1, text })
  }
  const compiled = found?.compiled
  const examples = (
    <Menu trigger={<Button icon={BookOpen}>Examples</Button>}>
      {EXAMPLES.map(example => (
        <MenuChoice key={example.name} chosen={false} note={example.note} onSelect={() => begin(example)}>
          {example.name}
        </MenuChoice>
      ))}
    </Menu>
  )
  return (
    <PageFrame title="Workflows" actions={examples}>
      <div className="mx-auto flex max-w-7xl flex-col gap-6">
        <div className="grid items-start gap-4 lg:grid-cols-2">
          <div className="flex min-w-0 flex-col gap-3">
            <div className="h-[26rem] overflow-hidden rounded-lg border bg-surface focus-within:border-accent focus-within:ring-1 focus-within:ring-accent lg:h-[34rem]">
              <Editor
                key={start.count}
                ref={editor}
                label="The workflow, as JSON"
                text={start.text}
                onChange={keep}
                onChecked={setFound}
              />
            </div>
            <Problems found={found} onShow={place => editor.current?.show(place)} />
          </div>
          <div className="flex min-w-0 flex-col gap-4">
            {compiled ? (
              <PlanPicture plan={compiled.plan} />
            ) : (
              <div className="grid h-80 place-items-center rounded-lg border border-dashed p-6 text-center text-muted">
                {found ? 'The plan is drawn when nothing is wrong with it.' : <Spinner label="Checking" />}
              </div>
            )}
            <Panel title="Run it">
              <InputForm
                key={JSON.stringify(compiled?.plan.inputs)}
                inputs={compiled?.plan.inputs ?? []}
                disabled={!compiled || run.isPending}
                onRun={given => run.mutate(given)}
              />
              {run.isError && (
                <div className="mt-3">
                  <ErrorNote error={run.error} />
                </div>
              )}
            </Panel>
          </div>
        </div>
        <RunList />
      </div>
    </PageFrame>
  )
}

function Problems({ found, onShow }: { found: Checked | undefined; onShow: (problem: Problem) => void }) {
  if (!found) return null
  return (
    <div aria-live="polite">
      {found.problems.length === 0 && (
        <p className="flex items-center gap-2 text-good">
          <CircleCheck size={15} aria-hidden />
          It compiles.
        </p>
      )}
      <ul aria-label="Problems" className="flex flex-col gap-1 empty:hidden">
        {found.problems.map(problem => {
          const isError = problem.severity === 'error'
          const Icon = isError ? CircleAlert : TriangleAlert
          return (
            <li key={`${problem.from} ${problem.message}`}>
              <button
                type="button"
                title="Show it in the editor"
                onClick={() => onShow(problem)}
                className={`flex w-full items-start gap-2 rounded-md px-2.5 py-1.5 text-left ${isError ? 'bg-bad-wash text-bad' : 'bg-warn-wash text-warn'} hover:underline`}
              >
                <Icon size={15} aria-hidden className="mt-0.5 shrink-0" />
                <span className="min-w-0 break-words">{problem.message}</span>
              </button>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
