/** A development chain that can be made to go on. */
export interface DemoChain {
  /** Endpoints, in the order in which they are to be asked. */
  urls: string[]
  /** One more block. */
  advance(): Promise<void>
  /** Replaces the newest blocks by one more of others. @returns how many were replaced. */
  reorg(depth: number): Promise<number>
  close(): Promise<void>
}
