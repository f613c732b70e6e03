/** Every link of the site is made here. */

export type ExportFormat = 'csv' | 'json'

const segment = encodeURIComponent

export const urls = {
  home: '/',
  status: '/status',
  reorgs: '/reorgs',
  graphql: '/graphql',
  webhooks: '/webhooks',
  webhook: (id: string) => `/webhooks/${segment(id)}`,
  /** What is done to a webhook by a form. */
  webhookAction: (id: string, action: string) => `/webhooks/${segment(id)}/${action}`,
  webhooksEnter: '/webhooks/enter',
  webhooksLeave: '/webhooks/leave',
  webhookSchema: '/webhooks/schema.json',
  favicon: '/favicon.svg',
  chain: (slug: string) => `/${segment(slug)}`,
  block: (slug: string, block: number | string) => `/${segment(slug)}/block/${segment(String(block))}`,
  transaction: (slug: string, hash: string) => `/${segment(slug)}/tx/${segment(hash)}`,
  address: (slug: string, address: string) => `/${segment(slug)}/address/${segment(address)}`,
  reorg: (slug: string, batch: number) => `/${segment(slug)}/reorg/${batch}`,
  search: (query: string) => `/search?q=${segment(query)}`,
  asset: (file: string) => `/assets/${file}`,
  /** Where a stream of events for a subscription comes from. */
  live: (subscription: string, variables: Readonly<Record<string, unknown>>) =>
    `/graphql?query=${segment(subscription)}&variables=${segment(JSON.stringify(variables))}`,
  /** A whole list of a page as a file. */
  list: (page: string, list: string, format: ExportFormat) => `${page === '/' ? '' : page}/${list}.${format}`,
}

/** A page's own address with some of its parameters changed; null takes one away. */
export function withQuery(
  path: string,
  query: URLSearchParams,
  changes: Readonly<Record<string, string | null>>,
  fragment = '',
): string {
  const next = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name)
    else next.set(name, value)
  }
  const text = next.toString()
  return `${path}${text === '' ? '' : `?${text}`}${fragment === '' ? '' : `#${fragment}`}`
}
