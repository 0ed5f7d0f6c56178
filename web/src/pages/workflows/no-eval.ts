// To be imported before anything that makes a schema: zod would compile its validators by `new Function`, which the page's
// policy refuses.
import { z } from 'zod'

z.config({ jitless: true })
