// A plan as a picture, its nodes in the colours of their states.
import { lazy, Suspense, useMemo } from 'react'
import { Spinner } from '../../components/spinner.tsx'
import { layOut } from '../graph/drawing.ts'
import { type Mark, NO_TRACE } from '../graph/trace.ts'
import { drawingOf, type Plan } from './plan.ts'

const Picture = lazy(() => import('../graph/picture.tsx').then(({ Picture }) => ({ default: Picture })))

const nothing = () => {}

export function PlanPicture({ plan, marks }: { plan: Plan; marks?: ReadonlyMap<string, Mark> }) {
  const drawing = useMemo(() => drawingOf(plan), [plan])
  const layout = useMemo(() => layOut(drawing.nodes, drawing.edges), [drawing])
  const trace = useMemo(() => {
    if (!marks) return NO_TRACE
    return {
      marks,
      took: ({ source, target }: { source: string; target: string }) =>
        marks.get(source)?.state === 'done' && marks.has(target),
    }
  }, [marks])
  return (
    <section aria-label="The plan" className="h-80 overflow-hidden rounded-lg border bg-surface">
      <Suspense fallback={<Spinner label="Drawing the plan" />}>
        <Picture {...drawing} layout={layout} trace={trace} onToggle={nothing} />
      </Suspense>
    </section>
  )
}
