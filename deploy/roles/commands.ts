import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError, describeError } from '../../schema/errors.ts'
import type { Logger, State } from '../../schema/ports.ts'
import type { Following } from '../following.ts'
import type { Rewound } from '../rewind.ts'

const commandShape = z.object({ id: z.string(), command: z.literal('rewind'), height: z.int().min(0) })
const answerShape = z.object({
  id: z.string(),
  value: z.object({ blocks: z.number(), remaining: z.number() }).optional(),
  error: z
    .object({ code: z.string(), message: z.string(), hint: z.string().optional(), retryable: z.boolean() })
    .optional(),
})

const commandKey = (chain: string) => `command/${chain}`
const answerKey = (chain: string) => `answer/${chain}`

/** Carries out what operators ask of the leader of a chain, as long as it is led here. */
export function answerCommands(
  state: State,
  find: (chain: string) => Following | null,
  logger: Logger,
): { close(): void } {
  const unwatch = state.watch('command/', (key, entry) => {
    const chain = key.slice('command/'.length)
    const following = find(chain)
    const parsed = commandShape.safeParse(entry?.value)
    if (following === null || !parsed.success) return
    void carryOut(chain, following, parsed.data).catch(error =>
      logger.error({ chain, err: error }, 'an answer to the operator was lost'),
    )
  })

  async function carryOut(
    chain: string,
    following: Following,
    { id, height }: z.infer<typeof commandShape>,
  ): Promise<void> {
    try {
      await state.put(answerKey(chain), { id, value: await following.rewind(height) })
    } catch (error) {
      const { code, hint, retryable } =
        error instanceof AppError ? error : { code: 'UNEXPECTED', hint: undefined, retryable: false }
      const message = error instanceof AppError ? error.message : describeError(error)
      await state.put(answerKey(chain), {
        id,
        error: { code, message, retryable, ...(hint !== undefined && { hint }) },
      })
    }
  }

  return { close: unwatch }
}

const PATIENCE_MS = 600_000

/** Asks the process that leads the chain. @throws AppError as it says, or when none answers. */
export async function askLeader(state: State, chain: string, height: number): Promise<Rewound> {
  const id = randomUUID()
  let unwatch = () => {}
  let timer: NodeJS.Timeout | undefined
  try {
    const answered = new Promise<z.infer<typeof answerShape>>((done, fail) => {
      unwatch = state.watch(answerKey(chain), (_, entry) => {
        const parsed = answerShape.safeParse(entry?.value)
        if (parsed.success && parsed.data.id === id) done(parsed.data)
      })
      timer = setTimeout(
        () =>
          fail(
            new AppError('NO_ANSWER', `${chain}: no crawler answered within ${PATIENCE_MS / 1000} s`, {
              retryable: true,
              hint: 'is one running (wanlian crawl)?',
            }),
          ),
        PATIENCE_MS,
      )
    })
    await state.put(commandKey(chain), { id, command: 'rewind', height })
    const { value, error } = await answered
    if (value) return value
    throw new AppError(error?.code ?? 'UNEXPECTED', error?.message ?? 'the crawler gave no reason', {
      retryable: error?.retryable ?? false,
      ...(error?.hint !== undefined && { hint: error.hint }),
    })
  } finally {
    clearTimeout(timer)
    unwatch()
  }
}
