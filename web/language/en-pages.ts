/** The form of a word that goes with a count. */
export const plural = (count: number, one: string, many: string) => (count === 1 ? one : many)

/** What the pages say in English, page by page. */
export const enPages = {
  home: {
    title: 'Many chains in one place',
    heading: 'Search every chain',
    sentence: (chains: string, chainCount: number, blocks: string, transactions: string) =>
      `${chains} ${plural(chainCount, 'chain', 'chains')}, ${blocks} blocks and ${transactions} transactions, each block checked before it was stored.`,
    noChains: 'No chain is stored yet. Blocks appear here as soon as the first one is indexed.',
    examples: 'For example',
    chains: 'Chains',
    blocks: 'Latest blocks',
    noBlocks: 'No block is stored yet.',
    activity: (counts: string) => `Transactions by period, oldest first: ${counts}`,
  },
  chain: {
    title: (name: string) => `${name}: blocks and state`,
    description: (name: string) => `Newest blocks of ${name}, how far it is stored, what was proven.`,
    sentence: <N>(p: {
      name: string
      blocks: string
      transactions: string
      tip: N
      age: N
    }): (N | string)[] => [
      `${p.name} is stored with ${p.blocks} blocks and ${p.transactions} transactions; its newest block is `,
      p.tip,
      ', ',
      p.age,
      '.',
    ],
    nothing: (name: string) => `Nothing of ${name} is stored yet.`,
    blocks: 'Blocks',
    noBlocks: 'No block of this chain is stored yet.',
    assets: 'Assets',
    noAssets: 'No asset was seen yet.',
    complete: 'exact: all history and all effects are stored',
    incomplete: (reason: string) => `changes only${reason === '' ? '' : `: ${reason}`}`,
  },
  block: {
    title: (chain: string, height: string) => `${chain} block ${height}`,
    description: (chain: string, height: string, count: number, hash: string) =>
      `Block ${height} of ${chain} with ${count} ${plural(count, 'transaction', 'transactions')}, hash ${hash}.`,
    heading: (height: string) => `Block ${height}`,
    sentence: <N>(p: {
      chain: string
      height: string
      day: N
      count: string
      single: boolean
      fees: N | null
    }): (N | string)[] => [
      `Block ${p.height} of ${p.chain}, made on `,
      p.day,
      `, holds ${p.count} ${p.single ? 'transaction' : 'transactions'}`,
      ...(p.fees === null ? ['.'] : [' that paid ', p.fees, ' in fees.']),
    ],
    produced: <N>(p: { producer: N; reward: N | null }): (N | string)[] => [
      p.producer,
      ' produced it',
      ...(p.reward === null ? ['.'] : [' and got ', p.reward, ' of new coins.']),
    ],
    neighbours: 'Neighbouring blocks',
    orphaned: 'This block left the chain. What it held may be in other blocks.',
    replaced: <N>(by: N): (N | string)[] => ['This block left the chain: it was replaced by ', by, '.'],
    reorg: 'What happened to its transactions',
    transactions: 'Transactions',
    noTransactions: 'This block holds no transaction.',
    noOrphaned: 'No transaction of this block is kept.',
    effects: 'Effects of the block itself',
    effectsNote: 'What the block moved outside of any transaction.',
    noEffects: 'None.',
    uncles: 'Uncles',
    unclesNote: 'Valid blocks that came second: not part of the chain, but rewarded by it.',
    withdrawals: 'Withdrawals',
    withdrawalsNote: 'Stake paid out by the protocol, without a transaction.',
    noWithdrawals: 'None.',
    validator: (index: string) => `validator ${index}`,
  },
  transaction: {
    title: (chain: string, short: string) => `${chain} transaction ${short}`,
    description: (chain: string, hash: string) =>
      `What transaction ${hash} of ${chain} did, whom it paid, what it cost.`,
    heading: 'Transaction',
    plain: 'A transaction.',
    coinbase: <N>(p: { amount: N; receivers: N | string; block: N; day: N }): (N | string)[] => [
      'Block ',
      p.block,
      ' paid its new coins and fees, ',
      p.amount,
      ', to ',
      p.receivers,
      ' on ',
      p.day,
      '.',
    ],
    paid: <N>(p: {
      senders: N | string
      amount: N | string
      receivers: N | string
      fee: N | null
      block: N
      day: N
    }): (N | string)[] => [
      p.senders,
      ' paid ',
      p.amount,
      ' to ',
      p.receivers,
      ' in block ',
      p.block,
      ', ',
      p.day,
      ...(p.fee === null ? ['.'] : ['; fee ', p.fee, '.']),
    ],
    sent: <N>(p: { from: N; to: N; value: N; fee: N | null; block: N; day: N }): (N | string)[] => [
      p.from,
      ' paid ',
      p.value,
      ' to ',
      p.to,
      ' in block ',
      p.block,
      ', ',
      p.day,
      ...(p.fee === null ? ['.'] : ['; fee ', p.fee, '.']),
    ],
    called: <N>(p: {
      from: N
      to: N
      called: N | null
      value: N | null
      fee: N | null
      block: N
      day: N
    }): (N | string)[] => [
      p.from,
      ' called ',
      ...(p.called === null ? [p.to] : [p.called, ' of ', p.to]),
      ...(p.value === null ? [] : [' with ', p.value]),
      ' in block ',
      p.block,
      ', ',
      p.day,
      ...(p.fee === null ? ['.'] : ['; fee ', p.fee, '.']),
    ],
    failed: <N>(p: {
      from: N
      to: N
      called: N | null
      value: N | null
      fee: N | null
      block: N
      day: N
    }): (N | string)[] => [
      p.from,
      ' tried to call ',
      ...(p.called === null ? [p.to] : [p.called, ' of ', p.to]),
      ...(p.value === null ? [] : [' with ', p.value]),
      ' in block ',
      p.block,
      ', ',
      p.day,
      ', and failed: nothing moved',
      ...(p.fee === null ? [' but the fee.'] : [' but the fee of ', p.fee, '.']),
    ],
    created: <N>(p: {
      from: N
      contract: N | null
      value: N | null
      fee: N | null
      failed: boolean
      block: N
      day: N
    }): (N | string)[] => [
      p.from,
      p.failed ? ' tried to create a contract' : ' created ',
      ...(p.failed ? [] : p.contract === null ? ['a contract'] : ['the contract ', p.contract]),
      ...(p.value === null ? [] : [' with ', p.value]),
      ' in block ',
      p.block,
      ', ',
      p.day,
      p.failed ? ', and failed' : '',
      ...(p.fee === null ? ['.'] : ['; fee ', p.fee, '.']),
    ],
    orphaned: <N>(block: N): (N | string)[] => [
      'The block that held this transaction left the chain: ',
      block,
      '. It may stand in another block by now.',
    ],
    failedUnknown: 'It failed. No node told why.',
    failedBecause: 'It failed, by what the node tells: ',
    place: (place: string, count: string) => `transaction ${place} of ${count}`,
    inputs: 'Inputs',
    noInputs: 'No inputs.',
    outputs: 'Outputs',
    noOutputs: 'No outputs.',
    unknownInput: 'spent output not known yet',
    cameFrom: 'came from →',
    unspent: 'unspent',
    message: 'message, carries no coins',
    spent: (height: string) => `spent in ${height} →`,
    movements: 'What moved',
    movementsNote: 'Net change of every address; for each asset it sums to zero.',
    movementsIncomplete:
      'Net change of every address as far as known; parts are missing, so that sums may not be zero.',
    noMovements: 'Nothing moved.',
    transfers: 'Token transfers',
    noTransfers: 'No tokens moved.',
    effects: 'Effects',
    effectsNote: 'Each single movement, signed.',
    noEffects: 'No effects are known.',
    senderProven: 'recovered from the signature',
    senderTold: 'told by the node',
    initCode: 'Code that creates the contract',
    call: 'Call',
    unknownCall: (selector: string) => `No well-known function has the selector ${selector}.`,
    arguments: 'Arguments of the call',
    bytes: (count: string) => `${count} bytes`,
    cutBytes: 'Only the first 2,048 bytes are shown; all of them are in the API.',
    events: 'Events',
    noEvents: 'The transaction wrote no events.',
    anonymous: 'anonymous event',
    unknownEvent: 'unknown event',
    by: 'by',
    calls: 'Call tree',
    callsNote: 'As the node tells it: no root commits to calls within a transaction.',
    noCalls: 'No call frames are stored for this transaction.',
    undone: 'undone',
  },
  address: {
    title: (chain: string, short: string) => `${chain} address ${short}`,
    description: (chain: string, address: string) => `What ${address} holds on ${chain}, and its history.`,
    heading: 'Address',
    sentence: <N>(p: {
      complete: boolean
      amount: N
      others: string
      hasOthers: boolean
      count: string
      single: boolean
      since: N
    }): (N | string)[] => [
      p.complete ? 'It holds ' : 'Since block ',
      ...(p.complete ? [] : [p.since, ' it has changed by ']),
      p.amount,
      ...(p.hasOthers ? [` and ${p.others} other assets`] : []),
      ` after ${p.count} ${p.single ? 'transaction' : 'transactions'}.`,
    ],
    incomplete: (reason: string) =>
      `Amounts here are changes since the first stored block, not balances${reason === '' ? '.' : `: ${reason}`}`,
    balances: 'Balances',
    changes: 'Changes',
    noBalances: 'Nothing is left on it.',
    tokens: 'Tokens of this contract',
    noTokens: 'None.',
    transfers: 'Transfers of these tokens',
    noTransfers: 'None yet.',
    history: 'History',
    noHistory: 'Nothing fits. Widen the choice above.',
    nowhereElse: 'no other stored chain',
    all: 'All',
    in: 'In',
    out: 'Out',
    filter: 'Direction',
    anyAsset: 'any',
    upTo: 'Up to height',
    apply: 'Show',
  },
  search: {
    label: 'Search all chains',
    placeholder: 'Height, hash, address, token or chain',
    button: 'Search',
    title: 'Search',
    titleOf: (query: string) => `Search for ${query.slice(0, 40)}`,
    heading: 'Search for',
    description: 'Search in all stored chains at once.',
    ask: 'Type a height, a hash or its beginning, an address, a contract, or the name of a chain.',
    found: (count: string) => `${count} things fit. Which one do you mean?`,
    nothing: 'Nothing that is stored fits.',
    readAs: 'It was read as:',
    readAsNothing: 'It cannot be a height, a hash, an address or a name that is known here.',
    notIndexed: 'These chains are not stored far enough to say',
    try: 'What to try',
    tries: [
      'Compare the first and last digits with where you copied it from.',
      'The beginning of a hash works from 8 digits on.',
      'A transaction that no block holds yet is not stored.',
    ],
    kinds: {
      Block: 'block',
      Transaction: 'transaction',
      Address: 'address',
      Asset: 'asset',
      Chain: 'chain',
    },
  },
  statusPage: {
    short: 'Status',
    title: 'Status',
    description: 'How far each chain is, how the nodes answer, what could not be read.',
    well: (chains: string, count: number) =>
      `${chains} ${plural(count, 'chain is', 'chains are')} stored; nothing asks for attention.`,
    troubled: (chains: string, count: number) =>
      `${chains} ${plural(count, 'chain asks', 'chains ask')} for attention.`,
    chains: 'Chains',
    nodes: 'Nodes',
    noNodes: 'No node is being asked at the moment.',
    differences: 'Differences',
    differing:
      'The tables do not hold what was delivered at these heights. The operator stops up and runs wanlian check <chain> --from … --to …, then wanlian repair <chain>.',
    setAside:
      'Set aside with the reason. Their heights are missing until the blocks come again or the operator replays them: wanlian replay <chain>.',
    reachable: 'answers',
    unreachable: 'no answer',
  },
  reorgs: {
    short: 'Reorgs',
    title: 'Reorgs',
    list: 'Followed reorgs',
    description: 'When chains changed their mind: blocks that left, and those that took their place.',
    sentence: (count: string, number: number) =>
      `${count} ${plural(number, 'time', 'times')} a chain replaced blocks that had been stored.`,
    meaning:
      'Replaced blocks stay readable under their hash. Sums and balances were corrected with each reorg.',
    empty: 'No stored block was ever replaced.',
    allChains: 'All chains',
  },
  reorg: {
    title: (chain: string, height: string) => `Reorg of ${chain} at block ${height}`,
    description: (chain: string, height: string) =>
      `Blocks of ${chain} from ${height} on that were replaced, and what became of their transactions.`,
    heading: (height: string) => `Reorg at block ${height}`,
    sentence: <N>(p: {
      chain: string
      depth: string
      age: N
      transactions: string
      single: boolean
      again: string
      dropped: string
    }): (N | string)[] => [
      `${p.chain} replaced ${p.depth} `,
      p.age,
      `. Of ${p.transactions} ${p.single ? 'transaction' : 'transactions'} in them, ${p.again} ${p.again === '1' ? 'is' : 'are'} in the chain again and ${p.dropped} ${p.dropped === '1' ? 'was' : 'were'} dropped.`,
    ],
    ancestor: 'Common ancestor',
    blocks: 'Blocks that left',
    left: 'Left the chain',
    instead: 'There now',
    affected: 'Affected transactions',
    noneAffected: 'The blocks that left held no transaction.',
    was: 'Was in block',
    is: 'Is in block',
    droppedWord: 'dropped',
  },
  missing: {
    title: 'Not found',
    heading: {
      page: 'No such page',
      chain: 'No such chain',
      block: 'Block not found',
      transaction: 'Transaction not found',
      address: 'Address not found',
    },
    looked: {
      page: <N>(name: N, _chain: string): (N | string)[] => ['We looked for the page ', name, '.'],
      chain: <N>(name: N, _chain: string): (N | string)[] => ['We looked for a chain named ', name, '.'],
      block: <N>(name: N, chain: string): (N | string)[] => [
        'We looked for block ',
        name,
        ` of ${chain}: it is not stored.`,
      ],
      transaction: <N>(name: N, chain: string): (N | string)[] => [
        'We looked for transaction ',
        name,
        ` of ${chain} in all blocks that are stored.`,
      ],
      address: <N>(name: N, chain: string): (N | string)[] => [
        'We looked for ',
        name,
        `: no stored block of ${chain} moved anything on it.`,
      ],
    },
    try: 'What to try',
    tries: {
      page: ['Search for what you had in mind, or begin with a chain.'],
      chain: ['Chains are named in lower case, for example bitcoin or ethereum-classic.'],
      block: [
        'A height above the tip is not indexed yet: come back when the chain is there.',
        'A height between the stored ranges was not asked for.',
      ],
      transaction: [
        'It may stand in a block that is not stored, or in none yet.',
        'Compare the first and last digits with where you copied it from.',
      ],
      address: [
        'It may never have been used in the stored blocks.',
        'Compare the first and last characters with where you copied it from.',
      ],
    },
    everywhere: 'Search all chains for it',
  },
  failure: {
    title: 'This page could not be made',
    sentence: 'Something of ours failed, and it was written down. Nothing that is stored was lost.',
    again: 'Try again',
    reference: 'Reference for the operator:',
  },
  badRequest: {
    title: 'This address does not work',
    sentence: 'Some part of the address asks for what cannot be given.',
    first: 'Back to the beginning of this page',
  },
}
