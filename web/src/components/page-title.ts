// What the browser's tab says.
import { useLayoutEffect } from 'react'

/** Names the tab for as long as what uses it is shown. */
export function usePageTitle(title: string): void {
  useLayoutEffect(() => {
    document.title = `${title} · Runloom`
    return () => {
      document.title = 'Runloom'
    }
  }, [title])
}
