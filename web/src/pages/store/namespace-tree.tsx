// Namespaces to choose one of. Choosing one shows what is below it, too.
import { ChevronRight, Folder } from 'lucide-react'
import { useState } from 'react'
import type { Branch } from './tree.ts'

interface TreeProps {
  branches: Branch[]
  chosen: string[]
  onChoose: (path: string[]) => void
}

export function NamespaceTree(props: TreeProps) {
  return (
    <nav aria-label="Namespaces" className="rounded-lg border bg-surface p-1.5 max-md:max-h-56 max-md:overflow-y-auto">
      <Choice isChosen={props.chosen.length === 0} onClick={() => props.onChoose([])}>
        All namespaces
      </Choice>
      <Branches {...props} />
    </nav>
  )
}

function Branches({ branches, chosen, onChoose }: TreeProps) {
  return (
    <ul>
      {branches.map(branch => (
        <BranchEntry key={JSON.stringify(branch.path)} branch={branch} chosen={chosen} onChoose={onChoose} />
      ))}
    </ul>
  )
}

function BranchEntry({ branch, chosen, onChoose }: Omit<TreeProps, 'branches'> & { branch: Branch }) {
  const { path, branches } = branch
  const label = path.at(-1) || '(empty)'
  const leadsToChosen = path.every((part, index) => chosen[index] === part)
  const [open, setOpen] = useState(leadsToChosen || path.length === 1)
  return (
    <li>
      <div className="flex items-center">
        {branches.length > 0 ? (
          <button
            type="button"
            aria-expanded={open}
            aria-label={`What is below ${label}`}
            className="grid size-6 shrink-0 place-items-center rounded-sm text-muted hover:bg-hover"
            onClick={() => setOpen(!open)}
          >
            <ChevronRight size={13} aria-hidden className={`transition-transform ${open ? 'rotate-90' : ''}`} />
          </button>
        ) : (
          <span className="size-6 shrink-0" />
        )}
        <Choice isChosen={leadsToChosen && path.length === chosen.length} onClick={() => onChoose(path)}>
          <Folder size={14} aria-hidden className="shrink-0 text-muted" />
          <span className="truncate">{label}</span>
        </Choice>
      </div>
      {open && branches.length > 0 && (
        <div className="ml-3 border-l pl-1">
          <Branches branches={branches} chosen={chosen} onChoose={onChoose} />
        </div>
      )}
    </li>
  )
}

function Choice({
  isChosen,
  onClick,
  children,
}: {
  isChosen: boolean
  onClick: () => void
  children: React.ReactNode
}) {
  return (
    <button
      type="button"
      aria-current={isChosen}
      onClick={onClick}
      className={`flex h-7 w-full min-w-0 items-center gap-1.5 rounded-md px-2 text-left ${isChosen ? 'bg-accent-wash font-medium text-accent-strong' : 'text-soft hover:bg-hover'}`}
    >
      {children}
    </button>
  )
}
