import type { WebhookDesk } from '../../api/webhooks/contract.ts'
import { ConfigError } from '../../schema/errors.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { type AddOptions, type ReplayOptions, replayRequest, webhookRequest } from '../webhook-options.ts'
import { withDesk } from '../webhooks.ts'

/** Makes a webhook. Prints it with its secret, which is told here and never again. */
export async function runAdd(context: CommandContext, options: AddOptions): Promise<number> {
  const request = await webhookRequest(context.config, options)
  return say(context, async desk => {
    const { webhook, secret } = await desk.add(request)
    return { secret, ...webhook }
  })
}

export function runList(context: CommandContext): Promise<number> {
  return say(context, desk => desk.list())
}

export function runShow(context: CommandContext, id: string): Promise<number> {
  return say(context, async desk => {
    const found = await desk.get(id)
    if (found !== null) return found
    const ids = (await desk.list()).map(webhook => webhook.id)
    throw new ConfigError(`no webhook ${JSON.stringify(id)}: expected one of ${ids.join(', ') || 'none'}`)
  })
}

export function runPause(context: CommandContext, id: string): Promise<number> {
  return say(context, desk => desk.pause(id))
}

export function runResume(context: CommandContext, id: string): Promise<number> {
  return say(context, desk => desk.resume(id))
}

export function runRemove(context: CommandContext, id: string): Promise<number> {
  return say(context, async desk => {
    await desk.remove(id)
    return { id, removed: true }
  })
}

/** Sends a `test` event. Exit code 2 where the endpoint did not take it. */
export async function runTest(context: CommandContext, id: string): Promise<number> {
  let taken = false
  await say(context, async desk => {
    const delivery = await desk.test(id)
    taken = delivery.ok
    return delivery
  })
  return taken ? EXIT.done : EXIT.incomplete
}

/** A new secret; the one before stays valid for some hours. */
export function runRotate(
  context: CommandContext,
  id: string,
  { keepHours = 24 }: { keepHours?: number },
): Promise<number> {
  return say(context, async desk => ({ id, ...(await desk.rotate(id, keepHours)) }))
}

/** Sends events again, beside the live flow. Prints the first and last sequence. */
export async function runReplay(
  context: CommandContext,
  id: string,
  options: ReplayOptions,
): Promise<number> {
  const request = replayRequest(context.config, options)
  return say(context, async desk => ({ id, ...(await desk.replay(id, request)) }))
}

export function runDeliveries(
  context: CommandContext,
  id: string,
  { limit = 20, failed = false }: { limit?: number; failed?: boolean },
): Promise<number> {
  return say(context, desk => desk.deliveries(id, { limit, ...(failed && { failed }) }))
}

export function runSkipped(context: CommandContext, id: string): Promise<number> {
  return say(context, desk => desk.skipped(id))
}

async function say(context: CommandContext, ask: (desk: WebhookDesk) => Promise<object>): Promise<number> {
  const answer = await withDesk(context, ask)
  context.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  return EXIT.done
}
