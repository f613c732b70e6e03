// What the pages gain from a script; every page is whole without it. Words come from the page.

const SECOND = 1000
const STEPS = [
  ['year', 31_556_952],
  ['month', 2_629_746],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]
const AT_MOST_EVERY = 1500

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang)

/** The server's words for an age, counted on. */
function ageOf(iso) {
  const seconds = Math.round((Date.parse(iso) - Date.now()) / SECOND)
  const [unit, length] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? STEPS.at(-1)
  return relative.format(Math.trunc(seconds / length) || -0, unit)
}

function countAges(root) {
  for (const element of root.querySelectorAll('time[data-age]')) {
    const text = ageOf(element.dateTime)
    if (element.textContent !== text) element.textContent = text
  }
}

/** Times of the reader's own zone; the zone is said beside them, UTC when pointed at. */
function localTimes(root) {
  const two = number => String(number).padStart(2, '0')
  for (const element of root.querySelectorAll('time[data-local]')) {
    const at = new Date(element.dateTime)
    const offset = -at.getTimezoneOffset()
    if (offset === 0) continue
    const zone = element.nextElementSibling
    if (!zone?.hasAttribute('data-zone')) continue
    element.title = `${element.textContent} ${zone.textContent}`
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
    element.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
    const minutes = Math.abs(offset)
    const rest = minutes % 60 === 0 ? '' : `:${two(minutes % 60)}`
    zone.textContent = `UTC${offset < 0 ? '−' : '+'}${Math.floor(minutes / 60)}${rest}`
    zone.removeAttribute('data-zone')
  }
}

/** The same address is marked wherever it stands. */
function markSame() {
  let marked = []
  document.addEventListener('pointerover', event => {
    const same = event.target instanceof Element ? event.target.closest('[data-same]') : null
    for (const element of marked) element.classList.remove('same')
    marked = []
    if (same === null) return
    const all = [...document.querySelectorAll('[data-same]')].filter(
      element => element.dataset.same === same.dataset.same,
    )
    if (all.length < 2) return
    for (const element of all) element.classList.add('same')
    marked = all
  })
}

/** `/` goes to the search. */
function searchKey() {
  document.addEventListener('keydown', event => {
    const typing = event.target instanceof Element && event.target.closest('input, select, textarea')
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || typing) return
    const search = document.getElementById('q')
    if (search === null) return
    event.preventDefault()
    search.focus()
    search.select()
  })
}

/** Rows of a list by where they lead: those that were not there before. */
function rowKey(row) {
  return [...row.querySelectorAll('a')].map(link => link.getAttribute('href')).join(' ')
}

function isBeingRead(region) {
  if (region.contains(document.activeElement)) return true
  const selection = document.getSelection()
  return selection !== null && !selection.isCollapsed && region.contains(selection.anchorNode)
}

/**
 * Follows new blocks. The page is asked for again as the server makes it and its live regions are exchanged; a list
 * that the reader has scrolled into, or is reading, waits for a click.
 */
function follow(url) {
  const more = document.querySelector('[data-more]')
  let source = null
  let waiting = 0
  let due = false
  let running = false
  let again = false

  const offer = () => {
    if (more === null) return
    more.hidden = waiting === 0
    more.textContent = waiting === 1 ? more.dataset.one : more.dataset.many.replace('{n}', String(waiting))
  }

  const exchange = (fresh, everything) => {
    for (const region of document.querySelectorAll('[data-region]')) {
      const next = fresh.querySelector(`[data-region="${region.dataset.region}"]`)
      if (next === null) continue
      const isList = region.hasAttribute('data-region-list')
      const belowTop = isList && region.getBoundingClientRect().top < 0
      if (!everything && (belowTop || isBeingRead(region))) continue
      const known = new Set([...region.querySelectorAll('tbody tr')].map(rowKey))
      const copy = document.importNode(next, true)
      countAges(copy)
      localTimes(copy)
      if (isList) {
        for (const row of copy.querySelectorAll('tbody tr')) {
          if (!known.has(rowKey(row))) row.classList.add('fresh')
        }
        waiting = 0
      }
      region.replaceChildren(...copy.childNodes)
    }
    offer()
  }

  const refresh = async everything => {
    if (running) {
      again = true
      return
    }
    running = true
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-cache' })
      if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), 'text/html'), everything)
    } catch {
      // The server is away; the event source tries again by itself and the next block brings the page up to date.
    }
    running = false
    if (again) {
      again = false
      schedule()
    }
  }

  const schedule = () => {
    if (due) return
    due = true
    setTimeout(() => {
      due = false
      refresh(false)
    }, AT_MOST_EVERY)
  }

  const open = () => {
    source = new EventSource(url)
    source.addEventListener('next', event => {
      const block = JSON.parse(event.data).data?.newBlocks
      // What is filled in below the tip changes counts, not the top of a list.
      if (block?.type === 'ADDED' && !block.history) waiting++
      schedule()
    })
    // The server ends a subscription with `complete`; without closing, the browser would open it again at once.
    source.addEventListener('complete', () => source?.close())
  }

  more?.addEventListener('click', async () => {
    more.blur()
    await refresh(true)
    document.querySelector('[data-region-list]')?.scrollIntoView({ block: 'start' })
  })

  // A page that nobody looks at holds no connection; when it is seen again it is brought up to date.
  document.addEventListener('visibilitychange', () => {
    source?.close()
    source = null
    if (document.visibilityState === 'hidden') return
    open()
    refresh(false)
  })
  open()
}

localTimes(document)
countAges(document)
setInterval(() => countAges(document), SECOND)
markSame()
searchKey()
if (document.body.dataset.live !== undefined) follow(document.body.dataset.live)
