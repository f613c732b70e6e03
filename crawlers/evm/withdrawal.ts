import type { EvmWithdrawal } from './raw.ts'
import { type RlpItem, type RlpTree, rlpBytes, rlpList, rlpQuantity } from './rlp.ts'

/** As the withdrawals trie holds it (EIP-4895). */
export function withdrawalItem({ index, validatorIndex, address, amount }: EvmWithdrawal): RlpItem {
  return [index, validatorIndex, address, amount]
}

/** @throws MalformedAnswerError */
export function decodeWithdrawal(tree: RlpTree): EvmWithdrawal {
  const [index, validatorIndex, address, amount] = rlpList(tree, 'withdrawal', 4)
  return {
    index: rlpQuantity(index, 'withdrawal index', 8),
    validatorIndex: rlpQuantity(validatorIndex, 'validator index', 8),
    address: rlpBytes(address, 'withdrawal address', 20),
    amount: rlpQuantity(amount, 'withdrawal amount', 8),
  }
}
