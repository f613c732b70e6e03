import kafkajs, { type GroupMember, type GroupMemberAssignment, type PartitionAssigner } from 'kafkajs'
import type { TopicPartition } from '../../schema/ports.ts'

/** What a process says of itself when a group shares out its places. */
export interface Sharer {
  id: string
  /** Topics that it takes places of; none for one that only notes how far the group came. */
  topics: readonly string[]
  /** What it had so far. */
  has: readonly TopicPartition[]
}

const NAME = 'wanlian'

/**
 * Everybody gets as many places as the others, give or take one, of tips and of histories alike: in a backlog the work
 * is all in one kind of them. Everybody keeps what it had as far as that goes: a process that comes or goes moves no
 * more than it must.
 */
export function shareOut(
  sharers: readonly Sharer[],
  places: readonly TopicPartition[],
): Map<string, TopicPartition[]> {
  const shares = new Map(sharers.map(({ id }) => [id, [] as TopicPartition[]]))
  const ordered = sharers.filter(({ topics }) => topics.length > 0).sort((a, b) => (a.id < b.id ? -1 : 1))
  if (ordered.length === 0) return shares
  for (const kind of kindsOf(places)) {
    const alike = shareOutAlike(ordered, kind, id => shares.get(id)!.length)
    for (const [id, share] of alike) shares.get(id)!.push(...share)
  }
  return shares
}

/** Places of one topic are all alike; of several topics those are that have the same number. */
function kindsOf(places: readonly TopicPartition[]): TopicPartition[][] {
  if (new Set(places.map(({ topic }) => topic)).size <= 1) return [[...places]]
  const numbers = [...new Set(places.map(({ partition }) => partition))].sort((a, b) => a - b)
  return numbers.map(number => places.filter(({ partition }) => partition === number))
}

/** @param before how many places a sharer got that are not of these */
function shareOutAlike(
  sharers: readonly Sharer[],
  places: readonly TopicPartition[],
  before: (id: string) => number,
): Map<string, TopicPartition[]> {
  const open = new Map(places.map(place => [keyOf(place), place]))
  const shares = new Map(sharers.map(({ id }) => [id, [] as TopicPartition[]]))
  const held = new Map(
    sharers.map(({ id, topics, has }) => [
      id,
      has.filter(place => open.has(keyOf(place)) && topics.includes(place.topic)),
    ]),
  )
  const least = Math.floor(places.length / sharers.length)
  // Who has least so far may have one more, and rather who need not be given it.
  const favoured = sharers
    .toSorted((a, b) => before(a.id) - before(b.id) || held.get(b.id)!.length - held.get(a.id)!.length)
    .slice(0, places.length % sharers.length)
  for (const sharer of sharers) {
    const most = least + (favoured.includes(sharer) ? 1 : 0)
    for (const place of held.get(sharer.id)!) {
      if (shares.get(sharer.id)!.length < most && open.delete(keyOf(place)))
        shares.get(sharer.id)!.push(place)
    }
  }
  const has = ({ id }: Sharer) => shares.get(id)!.length
  for (const place of open.values()) {
    const [poorest] = sharers
      .filter(({ topics }) => topics.includes(place.topic))
      .sort((a, b) => has(a) - has(b) || before(a.id) - before(b.id))
    if (poorest) shares.get(poorest.id)!.push(place)
  }
  return shares
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** @param describe what this process takes part in, and with what it has, at the moment */
export function createAssigner(describe: () => Pick<Sharer, 'topics' | 'has'>): PartitionAssigner {
  return ({ cluster }) => ({
    name: NAME,
    version: 1,
    protocol: ({ topics }) => ({
      name: NAME,
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({
        version: 1,
        topics,
        userData: Buffer.from(JSON.stringify(describe())),
      }),
    }),
    async assign({ members }): Promise<GroupMemberAssignment[]> {
      const sharers = members.map(readSharer)
      const topics = [...new Set(sharers.flatMap(sharer => sharer.topics))].sort()
      await cluster.addMultipleTargetTopics(topics)
      const places = topics.flatMap(topic =>
        cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => ({ topic, partition: partitionId }))
          .sort((a, b) => a.partition - b.partition),
      )
      return [...shareOut(sharers, places)].map(([memberId, share]) => {
        const assignment: Record<string, number[]> = {}
        for (const { topic, partition } of share) {
          assignment[topic] = [...(assignment[topic] ?? []), partition]
        }
        return {
          memberId,
          memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
            version: 1,
            assignment,
            userData: Buffer.alloc(0),
          }),
        }
      })
    },
  })
}

function readSharer({ memberId, memberMetadata }: GroupMember): Sharer {
  const nothing = { id: memberId, topics: [], has: [] }
  try {
    const { userData } = kafkajs.AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {}
    return { ...nothing, ...JSON.parse(String(userData)) }
  } catch {
    return nothing
  }
}
