// Namespaces as a tree: `["users", "anna", "notes"]` is below `users` and `users.anna`.
export interface Branch {
  /** Its labels from the root on. */
  path: string[]
  branches: Branch[]
}

export function treeOf(namespaces: readonly string[][]): Branch[] {
  const root: Branch = { path: [], branches: [] }
  for (const namespace of namespaces) {
    let at = root
    for (const [index, label] of namespace.entries()) {
      let next = at.branches.find(({ path }) => path.at(-1) === label)
      if (!next) {
        next = { path: namespace.slice(0, index + 1), branches: [] }
        at.branches.push(next)
      }
      at = next
    }
  }
  const sort = (branches: Branch[]): void => {
    branches.sort((a, b) => (a.path.at(-1) ?? '').localeCompare(b.path.at(-1) ?? ''))
    for (const branch of branches) sort(branch.branches)
  }
  sort(root.branches)
  return root.branches
}
