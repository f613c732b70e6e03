/** Balances kept by whoever makes the transactions: what a scenario knows without asking a node. */
export interface Ledger {
  add(account: string, amount: bigint): void
  /** Accounts that were ever named, in order of their first appearance. */
  entries(): [account: string, amount: bigint][]
}

export function createLedger(): Ledger {
  const amounts = new Map<string, bigint>()
  return {
    add(account, amount) {
      amounts.set(account, (amounts.get(account) ?? 0n) + amount)
    },
    entries: () => [...amounts],
  }
}
