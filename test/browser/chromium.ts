// A browser for tests: the one that TEST_CHROMIUM names, one that is installed, or the one in @sparticuz/chromium.
import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import npmChromium from '@sparticuz/chromium'
import { type Browser, chromium } from 'playwright-core'

const INSTALLED = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** A started browser; where there is none, why. */
export async function startBrowser(): Promise<Browser | string> {
  const named = process.env.TEST_CHROMIUM ?? INSTALLED.find(path => existsSync(path))
  try {
    const executablePath = named ?? (await npmChromium.executablePath())
    return await launch(executablePath)
  } catch (error) {
    return `no browser: ${(error as Error).message.split('\n')[0]}`
  }
}

/** Another suite may be unpacking the same file just now. */
async function launch(executablePath: string, attempts = 60): Promise<Browser> {
  try {
    return await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  } catch (error) {
    if (attempts === 0 || !(error as Error).message.includes('ETXTBSY')) throw error
    await setTimeout(500)
    return launch(executablePath, attempts - 1)
  }
}
