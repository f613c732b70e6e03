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
 * Everybody gets as many places as the others, give or take one, and keeps what it had as far as that goes: a process
 * that comes or goes moves no more than it must.
 */
export function shareOut(
  sharers: readonly Sharer[],
  places: readonly TopicPartition[],
): Map<string, TopicPartition[]> {
  const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`
  const shares = new Map(sharers.map(({ id }) => [id, [] as TopicPartition[]]))
  const open = new Map(places.map(place => [keyOf(place), place]))
  const ordered = sharers.filter(({ topics }) => topics.length > 0).sort((a, b) => (a.id < b.id ? -1 : 1))
  // The first ones may have one more, as long as there is one over.
  let [least, over] = [
    Math.floor(places.length / (ordered.length || 1)),
    places.length % (ordered.length || 1),
  ]
  for (const { id, topics, has } of ordered) {
    const share = shares.get(id)!
    for (const place of has) {
      if (!open.has(keyOf(place)) || !topics.includes(place.topic)) continue
      if (share.length > least || (share.length === least && over === 0)) continue
      if (share.length === least) over--
      share.push(place)
      open.delete(keyOf(place))
    }
  }
  for (const place of open.values()) {
    const [poorest] = ordered
      .filter(({ topics }) => topics.includes(place.topic))
      .sort((a, b) => shares.get(a.id)!.length - shares.get(b.id)!.length)
    if (poorest) shares.get(poorest.id)!.push(place)
  }
  return shares
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
