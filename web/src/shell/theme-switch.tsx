// Light, dark, or as the system has it.
import { Monitor, Moon, Sun } from 'lucide-react'
import { RadioGroup } from 'radix-ui'
import { setTheme, type Theme, useTheme } from '../theme.ts'

const THEMES = [
  { theme: 'light', label: 'Light', icon: Sun },
  { theme: 'dark', label: 'Dark', icon: Moon },
  { theme: 'system', label: 'As the system', icon: Monitor },
] as const

export function ThemeSwitch() {
  return (
    <RadioGroup.Root
      aria-label="Theme"
      orientation="horizontal"
      value={useTheme()}
      onValueChange={value => setTheme(value as Theme)}
      className="mt-3 flex w-fit gap-0.5 rounded-md border bg-surface p-0.5"
    >
      {THEMES.map(({ theme, label, icon: Icon }) => (
        <RadioGroup.Item
          key={theme}
          value={theme}
          aria-label={label}
          title={label}
          className="grid size-7 place-items-center rounded-sm text-muted hover:text-ink data-[state=checked]:bg-hover data-[state=checked]:text-ink"
        >
          <Icon size={14} aria-hidden />
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  )
}
