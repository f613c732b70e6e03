import type { Child } from 'hono/jsx'
import { type Connection, cursorNames } from '../data/lists.ts'
import { formatCount } from '../format.ts'
import { urls, withQuery } from '../urls.ts'
import type { View } from '../view.ts'

export interface Column<Row> {
  head: Child
  cell: (row: Row) => Child
  /**
   * `end`: set at the right, as amounts are. `main`: takes the room that is left. On a phone `second` begins the second
   * line of its row, and `last` ends it.
   */
  place?: 'main' | 'end' | 'second' | 'last'
  /** Left out on a phone. */
  wide?: boolean
}

const MOST_FRACTION = 18

/** Rows of one kind. On a phone each row becomes two lines: what stands at the left, and at the right. */
export function Table<Row>(props: {
  caption: string
  columns: readonly (Column<Row> | null)[]
  rows: readonly Row[]
  /** Most digits after the point in a column of amounts: points stand beneath each other. */
  fraction?: number
  /** Amounts of different assets stand in one column. */
  mixed?: boolean
}) {
  const columns = props.columns.filter(column => column !== null)
  const classOf = (column: Column<Row>) => `${column.place ?? ''}${column.wide ? ' wide' : ''}`.trim()
  return (
    <table class={`f${Math.min(props.fraction ?? 0, MOST_FRACTION)}${props.mixed ? ' mixed' : ''}`}>
      <caption class="unseen">{props.caption}</caption>
      <thead>
        <tr>
          {columns.map(column => (
            <th scope="col" class={classOf(column)}>
              {column.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map(row => (
          <tr>
            {columns.map(column => (
              <td class={classOf(column)}>{column.cell(row)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** A list with its heading, count, export, pages and the sentence for when it is empty. */
export function List<Row>(props: {
  view: View
  /** Names the list in the page's address and in that of its files. */
  key_: string
  title: string
  connection: Connection<Row>
  empty: string
  /** Of a list in which newer comes first. */
  byTime?: boolean
  exports?: boolean
  note?: Child
  children: Child
}) {
  const { view, key_, connection } = props
  const { text } = view
  return (
    <section class="list" id={key_} aria-labelledby={`${key_}-title`}>
      <header>
        <h2 id={`${key_}-title`}>
          {props.title} <span class="count">{formatCount(connection.totalCount, view.language)}</span>
        </h2>
        {props.exports === false || connection.totalCount === 0 ? null : (
          <p class="exports">
            <a href={withQuery(urls.list(view.path, key_, 'csv'), exportQuery(view), {})} download>
              {text.lists.csv}
              <span class="unseen"> {text.lists.of(props.title)}</span>
            </a>{' '}
            <a href={withQuery(urls.list(view.path, key_, 'json'), exportQuery(view), {})} download>
              {text.lists.json}
              <span class="unseen"> {text.lists.of(props.title)}</span>
            </a>
          </p>
        )}
      </header>
      {props.note}
      {connection.nodes.length === 0 ? <p class="empty">{props.empty}</p> : props.children}
      <Pager
        view={view}
        key_={key_}
        connection={connection}
        byTime={props.byTime === true}
        title={props.title}
      />
    </section>
  )
}

/** A file holds the whole list, whichever page of it is shown; filters stay. */
function exportQuery(view: View): URLSearchParams {
  const query = new URLSearchParams(view.query)
  for (const name of [...query.keys()]) if (/-(after|before)$/.test(name)) query.delete(name)
  query.delete('lang')
  return query
}

/** Two ways through a list, by cursors in the address. */
function Pager(props: {
  view: View
  key_: string
  connection: Connection<unknown>
  byTime: boolean
  title: string
}) {
  const { view, key_, connection, byTime } = props
  const { hasNextPage, hasPreviousPage, startCursor, endCursor } = connection.pageInfo
  if (!hasNextPage && !hasPreviousPage) return null
  const names = cursorNames(key_)
  const words = byTime ? view.text.lists.byTime : view.text.lists.inOrder
  const link = (changes: Record<string, string | null>) =>
    withQuery(view.path, view.query, { lang: null, ...changes }, key_)
  return (
    <nav class="pager" aria-label={view.text.lists.pagesOf(props.title)}>
      {hasPreviousPage && startCursor !== null ? (
        <>
          <a href={link({ [names.before]: null, [names.after]: null })}>{words.first}</a>
          <a rel="prev" href={link({ [names.before]: startCursor, [names.after]: null })}>
            ‹ {words.previous}
          </a>
        </>
      ) : null}
      {hasNextPage && endCursor !== null ? (
        <a rel="next" href={link({ [names.after]: endCursor, [names.before]: null })}>
          {words.next} ›
        </a>
      ) : null}
    </nav>
  )
}
