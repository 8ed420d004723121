import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  isFinal,
  jobStatus,
  jobStatuses,
  movesFrom,
  moveTask,
  type TaskEvent,
  type TaskState,
  type TaskStatus,
  taskStatuses,
} from '../src/domain/job.ts'

/* docs/architecture.md draws what the code does: here the two are compared. */

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')

/** What stands under a heading of the page, up to the next. */
function section(heading: string): string {
  const [, text = ''] = page.split(`\n## ${heading}\n`)
  return text.split('\n## ', 1)[0] ?? ''
}

/** The first cells of a section's table, without their quotes. */
function firstCells(heading: string): string[] {
  return [...section(heading).matchAll(/^\| `([^`|]+)` \|/gm)].map(([, cell = '']) => cell)
}

type Arrow = { from: string; to: string; label: string }

/** The arrows of a section's Mermaid diagram of states. */
function arrows(heading: string): Arrow[] {
  const [, diagram = ''] = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(section(heading)) ?? []
  const lines = diagram.split('\n').filter(line => line.trim() !== '')
  return lines.map(line => {
    const [, from = '', to = '', label = ''] = /^ {2}(\S+) --> ([^\s:]+)(?:: (.+))?$/.exec(line) ?? []
    expect(from, `not an arrow: ${line}`).not.toBe('')
    return { from, to, label }
  })
}

/** The lines of a diagram whose arrows these are, the labels of each pair in order. */
function drawn(moves: readonly Arrow[]): string[] {
  const pairs = Map.groupBy(moves, ({ from, to }) => `${from} --> ${to}`)
  return [...pairs]
    .map(
      ([pair, of]) =>
        `${pair}: ${of
          .flatMap(one => one.label.split(', '))
          .toSorted()
          .join(', ')}`,
    )
    .toSorted()
}

const provider = { taskId: null, traceId: null }
const error = { code: 'api_error', message: 'no', traceId: null }
const events: { readonly [E in TaskEvent['type']]: Extract<TaskEvent, { type: E }> } = {
  claimed: { type: 'claimed' },
  accepted: { type: 'accepted', ...provider },
  not_sent: { type: 'not_sent' },
  refused: { type: 'refused', error },
  unconfirmed: { type: 'unconfirmed' },
  succeeded: { type: 'succeeded', source: 'callback', ...provider },
  failed: { type: 'failed', source: 'callback', ...provider, error },
  canceled: { type: 'canceled' },
  expired: { type: 'expired' },
}

function taskIn(status: TaskStatus): TaskState {
  const nothing = { providerTaskId: null, traceId: null, source: null, submittedAt: null, completedAt: null, error: null }
  const told = { usage: null, costMicroCredits: null, recordType: null }
  return { ...nothing, ...told, status, attempts: 1, charge: 'possible', lateResultAt: null }
}

/** Every move of a task that the code makes. */
const taskMoves = Object.values(events).flatMap(event =>
  taskStatuses
    .map(from => ({ from, to: moveTask(taskIn(from), event, 1).task.status, label: event.type }))
    .filter(({ from, to }) => from !== to),
)

const ends = (statuses: readonly TaskStatus[] | typeof jobStatuses): Arrow[] => [
  { from: '[*]', to: 'queued', label: '' },
  ...statuses.filter(isFinal).map(from => ({ from, to: '[*]', label: '' })),
]

test('the diagram of a task’s states has every move of the code, and none that is not', () => {
  expect(taskMoves).toHaveLength(Object.values(movesFrom).flat().length)
  expect(drawn(arrows('States of a task'))).toEqual(drawn([...taskMoves, ...ends(taskStatuses)]))
})

test('the diagram of a job’s status has every change that its tasks can make, and none that is not', () => {
  // Of one task and of two, which show all that more tasks can.
  const steps = taskMoves.flatMap(({ from, to }) => [
    { from: jobStatus([from]), to: jobStatus([to]) },
    ...taskStatuses.map(other => ({ from: jobStatus([from, other]), to: jobStatus([to, other]) })),
  ])
  const changes = steps.filter(({ from, to }) => from !== to && !isFinal(from)).map(({ from, to }) => `${from} --> ${to}`)
  const edges = ends(jobStatuses).map(({ from, to }) => `${from} --> ${to}`)
  const pairs = arrows('Status of a job').map(({ from, to }) => `${from} --> ${to}`)
  expect(pairs.toSorted()).toEqual([...new Set([...changes, ...edges])].toSorted())
})

test('the rooms on the page are the folders of src, and each is in the picture', () => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
  expect(firstCells('Rooms').toSorted()).toEqual(folders.map(name => `${name}/`).toSorted())
  const [, picture = ''] = /```mermaid\n([\s\S]*?)```/.exec(section('Rooms')) ?? []
  for (const name of folders) expect(picture).toMatch(new RegExp(`^ +${name}\\b`, 'm'))
})

test('the tables on the page are those of the schema', () => {
  const folder = join(root, 'migrations', 'sqlite')
  const sql = readdirSync(folder)
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const tables = [...sql.matchAll(/^create table (\w+)/gm)].map(([, name = '']) => name)
  expect(tables.length).toBeGreaterThan(5)
  expect(firstCells('Tables').toSorted()).toEqual(tables.toSorted())
})
