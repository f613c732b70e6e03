import { type Fragment, Interface, type ParamType, type Result } from 'ethers'
import type { DecodedCall } from '../schema/api.gen.ts'

/** Functions of standard interfaces (EIP-20, 165, 173, 721, 1155, 2612, WETH9) and a few that everybody calls. */
const FUNCTIONS = [
  'function transfer(address to, uint256 amount)',
  'function approve(address spender, uint256 amount)',
  'function transferFrom(address from, address to, uint256 amount)',
  'function increaseAllowance(address spender, uint256 added)',
  'function decreaseAllowance(address spender, uint256 subtracted)',
  'function permit(address owner, address spender, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
  'function balanceOf(address owner)',
  'function balanceOf(address owner, uint256 id)',
  'function allowance(address owner, address spender)',
  'function totalSupply()',
  'function name()',
  'function symbol()',
  'function decimals()',
  'function supportsInterface(bytes4 interfaceId)',
  'function ownerOf(uint256 tokenId)',
  'function tokenURI(uint256 tokenId)',
  'function setApprovalForAll(address operator, bool approved)',
  'function isApprovedForAll(address owner, address operator)',
  'function safeTransferFrom(address from, address to, uint256 tokenId)',
  'function safeTransferFrom(address from, address to, uint256 tokenId, bytes data)',
  'function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data)',
  'function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes data)',
  'function deposit()',
  'function withdraw(uint256 amount)',
  'function mint(address to, uint256 amount)',
  'function mint(address to, uint256 id, uint256 amount, bytes data)',
  'function burn(uint256 amount)',
  'function burn(address from, uint256 amount)',
  'function owner()',
  'function transferOwnership(address newOwner)',
  'function renounceOwnership()',
  'function multicall(bytes[] data)',
  'function multicall(uint256 deadline, bytes[] data)',
  'function execute(bytes commands, bytes[] inputs, uint256 deadline)',
  'function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline)',
  'function swapExactETHForTokens(uint256 amountOutMin, address[] path, address to, uint256 deadline)',
  'function swapExactTokensForETH(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline)',
  'function swapETHForExactTokens(uint256 amountOut, address[] path, address to, uint256 deadline)',
]

/** Events by signature. Which arguments are indexed differs between standards: the number of topics tells. */
const EVENTS = [
  'event Transfer(address indexed from, address indexed to, uint256 amount)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event Approval(address indexed owner, address indexed spender, uint256 amount)',
  'event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId)',
  'event ApprovalForAll(address indexed owner, address indexed operator, bool approved)',
  'event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 amount)',
  'event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] amounts)',
  'event URI(string value, uint256 indexed id)',
  'event Deposit(address indexed account, uint256 amount)',
  'event Withdrawal(address indexed account, uint256 amount)',
  'event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)',
  'event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to)',
  'event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick)',
  'event Sync(uint112 reserve0, uint112 reserve1)',
  'event Mint(address indexed sender, uint256 amount0, uint256 amount1)',
  'event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to)',
  'event Upgraded(address indexed implementation)',
  'event Paused(address account)',
  'event Unpaused(address account)',
]

/** Explains calls and events whose signature is well known: a name that fits, not a promise. */
export interface CallDecoder {
  call(input: string): DecodedCall | null
  event(topics: readonly string[], data: string): DecodedCall | null
}

export function createCallDecoder(): CallDecoder {
  const functions = new Interface(FUNCTIONS)
  // One interface for each event: two forms of one signature cannot stand in the same one.
  const events = EVENTS.map(text => new Interface([text]))
  return {
    call(input) {
      if (input.length < 10) return null
      const fragment = functions.getFunction(input.slice(0, 10))
      if (fragment === null) return null
      return decoded(input.slice(0, 10), fragment, () => functions.decodeFunctionData(fragment, input))
    },
    event(topics, data) {
      const [topic] = topics
      if (topic === undefined) return null
      for (const candidate of events) {
        const fragment = candidate.getEvent(topic)
        if (fragment === null) continue
        const indexed = fragment.inputs.filter(input => input.indexed).length
        if (indexed !== topics.length - 1) continue
        const found = decoded(topic, fragment, () => candidate.decodeEventLog(fragment, data, topics))
        if (found !== null) return found
      }
      return null
    },
  }
}

/** Null where the bytes do not fit the signature. */
function decoded(
  selector: string,
  fragment: Fragment & { name: string },
  decode: () => Result,
): DecodedCall | null {
  let values: Result
  try {
    values = decode()
    return {
      selector,
      name: fragment.name,
      signature: fragment.format('sighash'),
      arguments: fragment.inputs.map((input, at) => ({
        name: input.name,
        type: input.type,
        value: valueText(input, values[at]),
      })),
    }
  } catch {
    return null
  }
}

function valueText(type: ParamType, value: unknown): string {
  if (type.baseType === 'array') {
    return `[${Array.from(value as Iterable<unknown>, one => valueText(type.arrayChildren!, one)).join(', ')}]`
  }
  // Addresses read here as everywhere else in the API.
  return type.baseType === 'address' ? String(value).toLowerCase() : String(value)
}
