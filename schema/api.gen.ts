// Made from schema/api.graphql by `npm run generate`: change that file, not this one.

export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** A whole number of base units in decimal digits, exact whatever its size; a minus sign where something was given. */
  Amount: { input: string; output: string; }
  /** A block's distance from the first block, as a JSON number. */
  Height: { input: number; output: number; }
  /** RFC 3339 in UTC, `2009-01-12T03:30:25Z`. */
  DateTime: { input: string; output: string; }
};

/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type Query = {
  __typename?: 'Query';
  /** Anything that has an id, by that id. */
  node: Maybe<Node>;
  /** Every chain that the store holds or that is being followed, by name. */
  chains: Array<Chain>;
  /** One chain by its slug; null when there is none of that name. */
  chain: Maybe<Chain>;
  /** One block, by height or by hash (one of the two). An orphaned block is found by its hash. */
  block: Maybe<Block>;
  /** Stored blocks, newest first: of one chain by height, of all chains by time. */
  blocks: BlockConnection;
  /** One transaction. Of a transaction that left the chain, the orphaned block is told. */
  transaction: Maybe<Transaction>;
  /** One address; null when no stored block knows it. */
  address: Maybe<Address>;
  /** One asset of a chain: `native`, a contract, or `contract/id`. */
  asset: Maybe<Asset>;
  /**
   * The front door: a height, the hash of a block or transaction (or 8 or more of its first digits), an address, an asset's
   * contract, the name of a chain; in all chains at once.
   */
  search: SearchResult;
  /** Reorgs that were followed, newest first. */
  reorgs: ReorgConnection;
  /** One reorg, by its number. */
  reorg: Maybe<Reorg>;
  /** How the machinery is doing, by chain and node. */
  status: Status;
  /** Webhooks, oldest first. For the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
  webhooks: Array<Webhook>;
  /** One webhook; null when there is none of that id. For the operator. */
  webhook: Maybe<Webhook>;
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryNodeArgs = {
  id: Scalars['ID']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryChainArgs = {
  slug: Scalars['String']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryBlockArgs = {
  chain: Scalars['String']['input'];
  height?: InputMaybe<Scalars['Height']['input']>;
  hash?: InputMaybe<Scalars['String']['input']>;
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryBlocksArgs = {
  chain?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryTransactionArgs = {
  chain: Scalars['String']['input'];
  hash: Scalars['String']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryAddressArgs = {
  chain: Scalars['String']['input'];
  address: Scalars['String']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryAssetArgs = {
  chain: Scalars['String']['input'];
  asset: Scalars['String']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QuerySearchArgs = {
  query: Scalars['String']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryReorgsArgs = {
  chain?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryReorgArgs = {
  chain: Scalars['String']['input'];
  batch: Scalars['Height']['input'];
};


/**
 * What everybody may ask, of every chain in the same words. Lists are relay connections: pages of at most 100 with cursors
 * that stay valid while the chain grows. Hashes and addresses are text in the chain's own form.
 */
export type QueryWebhookArgs = {
  id: Scalars['ID']['input'];
};

/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type Mutation = {
  __typename?: 'Mutation';
  /** Makes a webhook and proves its endpoint with a ping. */
  addWebhook: AddedWebhook;
  /** Sends nothing more until it is resumed; its events go on to be made. */
  pauseWebhook: Webhook;
  /** Goes on with the event after the last that the endpoint took, also where retries were used up. */
  resumeWebhook: Webhook;
  /** Removes it with its events and its log. Answers with its id. */
  removeWebhook: Scalars['ID']['output'];
  /** Sends a `test` event now and tells what came back. */
  testWebhook: WebhookDelivery;
  /** A new secret, told once. The one before stays valid, and signs too, for so many hours (up to 720). */
  rotateWebhookSecret: Scalars['String']['output'];
  /** Sends events again that were made before, with their ids and bodies, beside the live flow. */
  replayWebhook: WebhookReplay;
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationAddWebhookArgs = {
  input: WebhookInput;
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationPauseWebhookArgs = {
  id: Scalars['ID']['input'];
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationResumeWebhookArgs = {
  id: Scalars['ID']['input'];
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationRemoveWebhookArgs = {
  id: Scalars['ID']['input'];
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationTestWebhookArgs = {
  id: Scalars['ID']['input'];
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationRotateWebhookSecretArgs = {
  id: Scalars['ID']['input'];
  keepHours?: Scalars['Int']['input'];
};


/** What changes something is for the operator: `Authorization: Bearer` with the operator's token, else UNAUTHORIZED. */
export type MutationReplayWebhookArgs = {
  id: Scalars['ID']['input'];
  input: WebhookReplayInput;
};

export type Subscription = {
  __typename?: 'Subscription';
  /** Blocks as they become queryable, and blocks that leave the chain: of one chain, or of all. */
  newBlocks: BlockEvent;
};


export type SubscriptionNewBlocksArgs = {
  chain?: InputMaybe<Scalars['String']['input']>;
};

export type Node = {
  id: Scalars['ID']['output'];
};

export type PageInfo = {
  __typename?: 'PageInfo';
  hasNextPage: Scalars['Boolean']['output'];
  hasPreviousPage: Scalars['Boolean']['output'];
  startCursor: Maybe<Scalars['String']['output']>;
  endCursor: Maybe<Scalars['String']['output']>;
};

/** Which kind of ledger a chain keeps. Pages differ by it, never by chain. */
export type Ledger =
  | 'UTXO'
  | 'ACCOUNT'
  | 'RECORDS';

/** How sure it is that a block stays. */
export type Finality =
  /** May still be replaced without anybody wondering. */
  | 'PENDING'
  /** Would take an unusual event to replace. */
  | 'SAFE'
  /** Will not be replaced, by the chain's own rule. */
  | 'FINAL'
  /** Was replaced: it is not part of the chain any more. */
  | 'ORPHANED';

export type Chain = Node & {
  __typename?: 'Chain';
  id: Scalars['ID']['output'];
  slug: Scalars['String']['output'];
  name: Scalars['String']['output'];
  /** CAIP-2: `eip155:1`. */
  caip2: Scalars['String']['output'];
  family: Scalars['String']['output'];
  ledger: Ledger;
  /** Hash of block 0 where it is known. */
  genesisHash: Maybe<Scalars['String']['output']>;
  native: Asset;
  /** Newest stored block; null before the first. */
  tip: Maybe<Block>;
  /** Height that the nodes report; null when none was asked yet. */
  head: Maybe<Scalars['Height']['output']>;
  /** Heights up to which blocks are safe and final by the chain's rule; null when not known. */
  safeHeight: Maybe<Scalars['Height']['output']>;
  finalHeight: Maybe<Scalars['Height']['output']>;
  /** Stored heights, ascending. */
  ranges: Array<HeightRange>;
  blockCount: Scalars['Height']['output'];
  transactionCount: Scalars['Height']['output'];
  /** Whether sums of effects are balances: all history and all effects are stored. */
  complete: Scalars['Boolean']['output'];
  /** Why they are not, in words; empty when they are. */
  incompleteBecause: Scalars['String']['output'];
  /** How it is being followed; null when nobody follows it at the moment. */
  following: Maybe<Following>;
  /** Transactions in each of the newest periods, oldest first: for a small chart. */
  activity: Array<ActivityPoint>;
  /** How many of the newest (up to 100) blocks have each proof, most frequent first. */
  proofCounts: Array<ProofCount>;
  blocks: BlockConnection;
  reorgs: ReorgConnection;
  /** Assets by when they were first seen, newest first. */
  assets: AssetConnection;
};


export type ChainActivityArgs = {
  points?: InputMaybe<Scalars['Int']['input']>;
};


export type ChainBlocksArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type ChainReorgsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type ChainAssetsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type HeightRange = {
  __typename?: 'HeightRange';
  from: Scalars['Height']['output'];
  to: Scalars['Height']['output'];
};

export type ActivityPoint = {
  __typename?: 'ActivityPoint';
  /** Start of the period. */
  time: Scalars['DateTime']['output'];
  blocks: Scalars['Int']['output'];
  transactions: Scalars['Int']['output'];
};

export type ProofCount = {
  __typename?: 'ProofCount';
  proof: Scalars['String']['output'];
  blocks: Scalars['Int']['output'];
  of: Scalars['Int']['output'];
};

export type FollowState =
  /** The nodes have not answered yet. */
  | 'STARTING'
  /** History is being filled in. */
  | 'CATCHING_UP'
  /** At the tip, nothing missing. */
  | 'FOLLOWING'
  /** A recording was read to its end. */
  | 'ENDED'
  /** Stopped until the operator does something; `problem` says what. */
  | 'STOPPED'
  /** Stopped by the operator: `wanlian resume` goes on. */
  | 'PAUSED';

export type Following = {
  __typename?: 'Following';
  state: FollowState;
  /** One sentence when something is wrong, with what to do. */
  problem: Maybe<Scalars['String']['output']>;
  /** One sentence on what the nodes have to do or to agree on first, where following waits for that. */
  waitingFor: Maybe<Scalars['String']['output']>;
  /** Blocks between the node's head and the tip. */
  lag: Maybe<Scalars['Height']['output']>;
  /** Heights that are still to be filled in, those known now. */
  missing: Scalars['Height']['output'];
  blocksPerSecond: Maybe<Scalars['Float']['output']>;
  /** Seconds until nothing is missing, at the present pace. */
  etaSeconds: Maybe<Scalars['Float']['output']>;
  nodes: Array<EndpointStatus>;
};

export type EndpointStatus = {
  __typename?: 'EndpointStatus';
  /** Without credentials. */
  name: Scalars['String']['output'];
  reachable: Scalars['Boolean']['output'];
  head: Maybe<Scalars['Height']['output']>;
  /** Median time of an answer, in milliseconds. */
  latencyMs: Maybe<Scalars['Float']['output']>;
  /** Calls a second that it is given at most: as configured, or as it was seen to allow; null while no limit is known. */
  callsPerSecond: Maybe<Scalars['Float']['output']>;
  calls: Scalars['Height']['output'];
  errors: Scalars['Height']['output'];
  lastError: Maybe<Scalars['String']['output']>;
};

export type BlockConnection = {
  __typename?: 'BlockConnection';
  edges: Array<BlockEdge>;
  nodes: Array<Block>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type BlockEdge = {
  __typename?: 'BlockEdge';
  cursor: Scalars['String']['output'];
  node: Block;
};

export type Block = Node & {
  __typename?: 'Block';
  id: Scalars['ID']['output'];
  chain: Chain;
  height: Scalars['Height']['output'];
  hash: Scalars['String']['output'];
  parentHash: Scalars['String']['output'];
  time: Scalars['DateTime']['output'];
  transactionCount: Scalars['Int']['output'];
  /** Bytes, as the chain counts them. */
  size: Maybe<Scalars['Int']['output']>;
  finality: Finality;
  /** Stored blocks from this one to the tip, this one included; 0 for an orphaned block. */
  confirmations: Scalars['Height']['output'];
  /** What was proven: integrity (`hash parent txRoot receiptsRoot witness inputs senders …`), then anchor (`pow checkpoint …`). */
  proofs: Array<Scalars['String']['output']>;
  /** What could have been proven and was not, with the reason. */
  unproven: Array<Unproven>;
  /** The stored block at the height below and above. */
  previous: Maybe<Block>;
  next: Maybe<Block>;
  /** For an orphaned block: the block that is at its height now. */
  replacedBy: Maybe<Block>;
  /** For an orphaned block: the reorg that took it off the chain. */
  reorg: Maybe<Reorg>;
  /** Sum of the transactions' fees; null while some are not known. */
  fees: Maybe<Scalars['Amount']['output']>;
  /** New coins that the producer got; null where the chain has none or it is not known. */
  reward: Maybe<Scalars['Amount']['output']>;
  /** Who produced it; null where nobody is named. */
  producer: Maybe<Scalars['String']['output']>;
  details: Maybe<BlockDetails>;
  transactions: TransactionConnection;
  /** Effects of the block itself, outside of any transaction: rewards, withdrawals. */
  effects: EffectConnection;
};


export type BlockTransactionsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type BlockEffectsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type Unproven = {
  __typename?: 'Unproven';
  proof: Scalars['String']['output'];
  reason: Scalars['String']['output'];
};

export type BlockDetails = UtxoBlock | EvmBlock;

/** Amounts in base units, sizes in bytes. */
export type UtxoBlock = {
  __typename?: 'UtxoBlock';
  version: Scalars['Int']['output'];
  merkleRoot: Scalars['String']['output'];
  bits: Scalars['String']['output'];
  nonce: Scalars['Height']['output'];
  difficulty: Scalars['Float']['output'];
  work: Scalars['Amount']['output'];
  strippedSize: Scalars['Int']['output'];
  weight: Scalars['Int']['output'];
  /** The hash that meets the target, where it is not the block hash. */
  proofHash: Maybe<Scalars['String']['output']>;
  coinbaseScript: Scalars['String']['output'];
  /** Text that the coinbase script holds, readable parts of it. */
  coinbaseText: Scalars['String']['output'];
  subsidy: Maybe<Scalars['Amount']['output']>;
  inputCount: Scalars['Int']['output'];
  outputCount: Scalars['Int']['output'];
  medianTime: Maybe<Scalars['DateTime']['output']>;
};

export type EvmBlock = {
  __typename?: 'EvmBlock';
  gasUsed: Scalars['Height']['output'];
  gasLimit: Scalars['Height']['output'];
  baseFeePerGas: Maybe<Scalars['Amount']['output']>;
  /** Fees that were destroyed; null without receipts. */
  burnt: Maybe<Scalars['Amount']['output']>;
  /** Tips and fees of the producer; null without receipts. */
  feeReward: Maybe<Scalars['Amount']['output']>;
  blockReward: Maybe<Scalars['Amount']['output']>;
  uncleInclusionReward: Maybe<Scalars['Amount']['output']>;
  difficulty: Scalars['Amount']['output'];
  totalDifficulty: Maybe<Scalars['Amount']['output']>;
  stateRoot: Scalars['String']['output'];
  transactionsRoot: Scalars['String']['output'];
  receiptsRoot: Scalars['String']['output'];
  extraData: Scalars['String']['output'];
  /** Readable parts of the extra data. */
  extraText: Scalars['String']['output'];
  nonce: Scalars['String']['output'];
  mixHash: Scalars['String']['output'];
  blobGasUsed: Maybe<Scalars['Height']['output']>;
  excessBlobGas: Maybe<Scalars['Height']['output']>;
  withdrawalsRoot: Maybe<Scalars['String']['output']>;
  parentBeaconBlockRoot: Maybe<Scalars['String']['output']>;
  /** Where call frames come from; null when there are none. */
  traceSource: Maybe<Scalars['String']['output']>;
  uncles: Array<Uncle>;
  withdrawals: WithdrawalConnection;
};


export type EvmBlockWithdrawalsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type Uncle = {
  __typename?: 'Uncle';
  height: Scalars['Height']['output'];
  hash: Scalars['String']['output'];
  parentHash: Scalars['String']['output'];
  time: Scalars['DateTime']['output'];
  producer: Scalars['String']['output'];
  reward: Maybe<Scalars['Amount']['output']>;
  gasUsed: Scalars['Height']['output'];
  difficulty: Scalars['Amount']['output'];
};

export type WithdrawalConnection = {
  __typename?: 'WithdrawalConnection';
  edges: Array<WithdrawalEdge>;
  nodes: Array<Withdrawal>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type WithdrawalEdge = {
  __typename?: 'WithdrawalEdge';
  cursor: Scalars['String']['output'];
  node: Withdrawal;
};

/** EIP-4895. */
export type Withdrawal = {
  __typename?: 'Withdrawal';
  index: Scalars['Height']['output'];
  validatorIndex: Scalars['Height']['output'];
  address: Scalars['String']['output'];
  amount: Scalars['Amount']['output'];
};

export type TransactionStatus =
  | 'SUCCESS'
  | 'FAILED'
  /** No receipt and no trace tells. */
  | 'UNKNOWN';

export type TransactionConnection = {
  __typename?: 'TransactionConnection';
  edges: Array<TransactionEdge>;
  nodes: Array<Transaction>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type TransactionEdge = {
  __typename?: 'TransactionEdge';
  cursor: Scalars['String']['output'];
  node: Transaction;
};

export type Transaction = Node & {
  __typename?: 'Transaction';
  id: Scalars['ID']['output'];
  chain: Chain;
  hash: Scalars['String']['output'];
  /** Place in its block, from 0. */
  index: Scalars['Int']['output'];
  block: Block;
  time: Scalars['DateTime']['output'];
  /** For a transaction of an orphaned block: the same in the chain now; null where it was dropped. */
  minedAgain: Maybe<Transaction>;
  status: TransactionStatus;
  /** Why it failed, as far as traces tell. */
  error: Maybe<Scalars['String']['output']>;
  /** Paid by the sender; null while inputs or receipts are missing. */
  fee: Maybe<Scalars['Amount']['output']>;
  /** Whether all effects are known. */
  effectsComplete: Scalars['Boolean']['output'];
  /** Who paid: senders of inputs or the one sender; at most 3 of them, without repetition. */
  senders: Array<Scalars['String']['output']>;
  /** Who received: at most 3, without repetition and without the senders where others received too. */
  receivers: Array<Scalars['String']['output']>;
  senderCount: Scalars['Int']['output'];
  receiverCount: Scalars['Int']['output'];
  /** Native coins that changed hands, change to a sender left out; null while not known. */
  amount: Maybe<Scalars['Amount']['output']>;
  /** Net change of every address and asset: who gained, who lost. Sums to zero for each asset when effects are complete. */
  movements: MovementConnection;
  effects: EffectConnection;
  tokenTransfers: TokenTransferConnection;
  details: Maybe<TransactionDetails>;
};


export type TransactionMovementsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type TransactionEffectsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type TransactionTokenTransfersArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type MovementConnection = {
  __typename?: 'MovementConnection';
  edges: Array<MovementEdge>;
  nodes: Array<Movement>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type MovementEdge = {
  __typename?: 'MovementEdge';
  cursor: Scalars['String']['output'];
  node: Movement;
};

export type Movement = {
  __typename?: 'Movement';
  /** Empty for the synthetic account from which coins appear and into which they vanish. */
  address: Scalars['String']['output'];
  asset: Asset;
  amount: Scalars['Amount']['output'];
};

export type EffectConnection = {
  __typename?: 'EffectConnection';
  edges: Array<EffectEdge>;
  nodes: Array<Effect>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type EffectEdge = {
  __typename?: 'EffectEdge';
  cursor: Scalars['String']['output'];
  node: Effect;
};

/** A signed amount of one asset on one address. */
export type Effect = {
  __typename?: 'Effect';
  height: Scalars['Height']['output'];
  time: Scalars['DateTime']['output'];
  /** Place among the effects of its block. */
  index: Scalars['Int']['output'];
  /** Null for effects of the block itself. */
  transactionHash: Maybe<Scalars['String']['output']>;
  /** The transaction; null for effects of the block itself. */
  transaction: Maybe<Transaction>;
  block: Block;
  address: Scalars['String']['output'];
  asset: Asset;
  amount: Scalars['Amount']['output'];
  /** transfer, internal, fee, tip, base_fee_burn, blob_fee, reward, uncle_reward, withdrawal, mint, burn, genesis, irregular. */
  kind: Scalars['String']['output'];
};

export type TokenTransferConnection = {
  __typename?: 'TokenTransferConnection';
  edges: Array<TokenTransferEdge>;
  nodes: Array<TokenTransfer>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type TokenTransferEdge = {
  __typename?: 'TokenTransferEdge';
  cursor: Scalars['String']['output'];
  node: TokenTransfer;
};

export type TokenTransfer = {
  __typename?: 'TokenTransfer';
  height: Scalars['Height']['output'];
  time: Scalars['DateTime']['output'];
  transactionHash: Scalars['String']['output'];
  logIndex: Scalars['Int']['output'];
  batchIndex: Scalars['Int']['output'];
  /** erc20, erc721, erc1155. */
  standard: Scalars['String']['output'];
  asset: Asset;
  token: Scalars['String']['output'];
  from: Scalars['String']['output'];
  to: Scalars['String']['output'];
  /** Decimal digits; null for fungible tokens. */
  tokenId: Maybe<Scalars['String']['output']>;
  amount: Scalars['Amount']['output'];
};

export type Asset = Node & {
  __typename?: 'Asset';
  id: Scalars['ID']['output'];
  chain: Chain;
  /** `native`, a contract, or `contract/id`. */
  asset: Scalars['String']['output'];
  /** native, erc20, erc721, erc1155. */
  standard: Scalars['String']['output'];
  /** Null for the native asset. */
  contract: Maybe<Scalars['String']['output']>;
  tokenId: Maybe<Scalars['String']['output']>;
  /** Null where nobody told it: amounts are base units then. */
  symbol: Maybe<Scalars['String']['output']>;
  name: Maybe<Scalars['String']['output']>;
  decimals: Maybe<Scalars['Int']['output']>;
};

export type AssetConnection = {
  __typename?: 'AssetConnection';
  edges: Array<AssetEdge>;
  nodes: Array<Asset>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type AssetEdge = {
  __typename?: 'AssetEdge';
  cursor: Scalars['String']['output'];
  node: Asset;
};

export type TransactionDetails = UtxoTransaction | EvmTransaction;

export type UtxoTransaction = {
  __typename?: 'UtxoTransaction';
  version: Scalars['Int']['output'];
  lockTime: Scalars['Height']['output'];
  size: Scalars['Int']['output'];
  virtualSize: Scalars['Int']['output'];
  weight: Scalars['Int']['output'];
  witnessHash: Scalars['String']['output'];
  isCoinbase: Scalars['Boolean']['output'];
  inputAmount: Maybe<Scalars['Amount']['output']>;
  outputAmount: Scalars['Amount']['output'];
  /** Base units for each virtual byte. */
  feeRate: Maybe<Scalars['Float']['output']>;
  inputs: UtxoInputConnection;
  outputs: UtxoOutputConnection;
};


export type UtxoTransactionInputsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type UtxoTransactionOutputsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type UtxoInputConnection = {
  __typename?: 'UtxoInputConnection';
  edges: Array<UtxoInputEdge>;
  nodes: Array<UtxoInput>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type UtxoInputEdge = {
  __typename?: 'UtxoInputEdge';
  cursor: Scalars['String']['output'];
  node: UtxoInput;
};

export type UtxoInput = {
  __typename?: 'UtxoInput';
  index: Scalars['Int']['output'];
  isCoinbase: Scalars['Boolean']['output'];
  previousHash: Maybe<Scalars['String']['output']>;
  previousIndex: Maybe<Scalars['Height']['output']>;
  /** Null while the spent output is not known. */
  amount: Maybe<Scalars['Amount']['output']>;
  address: Maybe<Scalars['String']['output']>;
  scriptType: Maybe<Scalars['String']['output']>;
  /** How the spent output is known: coinbase, block, stored, transaction, node, unknown. `node` was only told. */
  source: Scalars['String']['output'];
  scriptSig: Scalars['String']['output'];
  witness: Array<Scalars['String']['output']>;
  sequence: Scalars['Height']['output'];
};

export type UtxoOutputConnection = {
  __typename?: 'UtxoOutputConnection';
  edges: Array<UtxoOutputEdge>;
  nodes: Array<UtxoOutput>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type UtxoOutputEdge = {
  __typename?: 'UtxoOutputEdge';
  cursor: Scalars['String']['output'];
  node: UtxoOutput;
};

export type UtxoOutput = {
  __typename?: 'UtxoOutput';
  index: Scalars['Int']['output'];
  amount: Scalars['Amount']['output'];
  /** `script:<sha256>` for a script without an address. */
  address: Scalars['String']['output'];
  scriptType: Scalars['String']['output'];
  scriptPubkey: Scalars['String']['output'];
  /** Text of an OP_RETURN output that is readable UTF-8; null otherwise. */
  text: Maybe<Scalars['String']['output']>;
  /** The input that spends it, as far as stored; null while unspent. */
  spentBy: Maybe<Spending>;
};

export type Spending = {
  __typename?: 'Spending';
  transactionHash: Scalars['String']['output'];
  index: Scalars['Int']['output'];
  height: Scalars['Height']['output'];
};

export type EvmTransaction = {
  __typename?: 'EvmTransaction';
  /** EIP-2718, 0 to 4. */
  type: Scalars['Int']['output'];
  nonce: Scalars['Height']['output'];
  from: Scalars['String']['output'];
  /** Whether the sender was recovered from the signature, or only told. */
  senderProven: Scalars['Boolean']['output'];
  /** Null for a contract creation. */
  to: Maybe<Scalars['String']['output']>;
  contractAddress: Maybe<Scalars['String']['output']>;
  value: Scalars['Amount']['output'];
  gasLimit: Scalars['Height']['output'];
  gasUsed: Maybe<Scalars['Height']['output']>;
  gasPrice: Maybe<Scalars['Amount']['output']>;
  maxFeePerGas: Maybe<Scalars['Amount']['output']>;
  maxPriorityFeePerGas: Maybe<Scalars['Amount']['output']>;
  maxFeePerBlobGas: Maybe<Scalars['Amount']['output']>;
  effectiveGasPrice: Maybe<Scalars['Amount']['output']>;
  /** Parts of the fee; null where not known. */
  burntFee: Maybe<Scalars['Amount']['output']>;
  producerFee: Maybe<Scalars['Amount']['output']>;
  blobGasUsed: Maybe<Scalars['Height']['output']>;
  blobVersionedHashes: Array<Scalars['String']['output']>;
  authorizations: Array<Authorization>;
  input: Scalars['String']['output'];
  /** The call as far as a well-known signature explains it. */
  call: Maybe<DecodedCall>;
  logs: LogConnection;
  /** Call frames depth first, the top call included. */
  traces: TraceConnection;
};


export type EvmTransactionLogsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type EvmTransactionTracesArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

/** EIP-7702. */
export type Authorization = {
  __typename?: 'Authorization';
  chainId: Scalars['String']['output'];
  address: Scalars['String']['output'];
  nonce: Scalars['Height']['output'];
  authority: Maybe<Scalars['String']['output']>;
};

/** A function of a standard interface, decoded from its four-byte selector: a name that fits, not a promise. */
export type DecodedCall = {
  __typename?: 'DecodedCall';
  selector: Scalars['String']['output'];
  name: Scalars['String']['output'];
  signature: Scalars['String']['output'];
  arguments: Array<DecodedArgument>;
};

export type DecodedArgument = {
  __typename?: 'DecodedArgument';
  name: Scalars['String']['output'];
  type: Scalars['String']['output'];
  value: Scalars['String']['output'];
};

export type LogConnection = {
  __typename?: 'LogConnection';
  edges: Array<LogEdge>;
  nodes: Array<Log>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type LogEdge = {
  __typename?: 'LogEdge';
  cursor: Scalars['String']['output'];
  node: Log;
};

export type Log = {
  __typename?: 'Log';
  /** Place in its block, from 0. */
  logIndex: Scalars['Int']['output'];
  address: Scalars['String']['output'];
  topics: Array<Scalars['String']['output']>;
  data: Scalars['String']['output'];
  /** The event as far as a well-known signature explains it. */
  event: Maybe<DecodedCall>;
};

export type TraceConnection = {
  __typename?: 'TraceConnection';
  edges: Array<TraceEdge>;
  nodes: Array<Trace>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type TraceEdge = {
  __typename?: 'TraceEdge';
  cursor: Scalars['String']['output'];
  node: Trace;
};

export type Trace = {
  __typename?: 'Trace';
  index: Scalars['Int']['output'];
  /** Child numbers from the top call down; empty for the top call. */
  traceAddress: Array<Scalars['Int']['output']>;
  type: Scalars['String']['output'];
  from: Scalars['String']['output'];
  to: Maybe<Scalars['String']['output']>;
  value: Scalars['Amount']['output'];
  gas: Maybe<Scalars['Height']['output']>;
  gasUsed: Maybe<Scalars['Height']['output']>;
  input: Scalars['String']['output'];
  output: Scalars['String']['output'];
  error: Maybe<Scalars['String']['output']>;
  /** This frame or one above it failed: nothing of it lasted. */
  reverted: Scalars['Boolean']['output'];
};

export type EffectDirection =
  | 'IN'
  | 'OUT';

export type Address = Node & {
  __typename?: 'Address';
  id: Scalars['ID']['output'];
  chain: Chain;
  address: Scalars['String']['output'];
  /** Whether the amounts of `balances` are balances; else they are changes since `since`. */
  complete: Scalars['Boolean']['output'];
  /** Height of the first stored block. */
  since: Scalars['Height']['output'];
  firstSeen: Maybe<Block>;
  lastSeen: Maybe<Block>;
  /** Transactions with an effect on it. */
  transactionCount: Scalars['Height']['output'];
  /** Assets with an amount other than zero: native first. */
  balances: BalanceConnection;
  /** History, newest first. */
  effects: EffectConnection;
  /** Other chains on which the same address has effects. */
  alsoOn: Array<Chain>;
  /** What is at the address when it is a token contract. */
  tokens: AssetConnection;
  /** For the contract of a token: its transfers, newest first. */
  tokenTransfers: TokenTransferConnection;
};


export type AddressBalancesArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type AddressEffectsArgs = {
  direction?: InputMaybe<EffectDirection>;
  asset?: InputMaybe<Scalars['String']['input']>;
  toHeight?: InputMaybe<Scalars['Height']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type AddressTokensArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type AddressTokenTransfersArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type BalanceConnection = {
  __typename?: 'BalanceConnection';
  edges: Array<BalanceEdge>;
  nodes: Array<Balance>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type BalanceEdge = {
  __typename?: 'BalanceEdge';
  cursor: Scalars['String']['output'];
  node: Balance;
};

export type Balance = {
  __typename?: 'Balance';
  asset: Asset;
  amount: Scalars['Amount']['output'];
};

export type SearchResult = {
  __typename?: 'SearchResult';
  query: Scalars['String']['output'];
  /** What the query can be read as: for the sentence when nothing is found. */
  readAs: Array<Scalars['String']['output']>;
  hits: Array<SearchHit>;
  /** Chains whose stored heights do not reach what was asked, so that it may exist: not indexed yet. */
  notIndexed: Array<Chain>;
};

export type SearchHit = {
  __typename?: 'SearchHit';
  chain: Chain;
  /** What it is, and the thing itself. */
  target: SearchTarget;
};

export type SearchTarget = Block | Transaction | Address | Asset | Chain;

export type ReorgConnection = {
  __typename?: 'ReorgConnection';
  edges: Array<ReorgEdge>;
  nodes: Array<Reorg>;
  pageInfo: PageInfo;
  totalCount: Scalars['Height']['output'];
};

export type ReorgEdge = {
  __typename?: 'ReorgEdge';
  cursor: Scalars['String']['output'];
  node: Reorg;
};

export type Reorg = Node & {
  __typename?: 'Reorg';
  id: Scalars['ID']['output'];
  chain: Chain;
  /** When it was followed. */
  time: Scalars['DateTime']['output'];
  /** First height that changed. */
  height: Scalars['Height']['output'];
  /** Blocks that left the chain. */
  depth: Scalars['Int']['output'];
  oldHash: Scalars['String']['output'];
  newHash: Scalars['String']['output'];
  commonAncestor: Scalars['String']['output'];
  /** Its number, which no other reorg of the chain has. */
  batch: Scalars['Height']['output'];
  /** Transactions of the blocks that left. */
  transactions: Scalars['Int']['output'];
  /** How many of these are in no block of the chain now. */
  dropped: Scalars['Height']['output'];
  orphanedBlocks: Array<Block>;
  /** Transactions of the blocks that left, in their order. `minedAgain` tells where they are now. */
  affected: TransactionConnection;
};


export type ReorgAffectedArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};

export type Status = {
  __typename?: 'Status';
  version: Scalars['String']['output'];
  startedAt: Scalars['DateTime']['output'];
  chains: Array<Chain>;
  /** How many events wait that could not be stored. */
  deadLetters: Scalars['Height']['output'];
  /** The newest of them, up to 100. What is set aside is missing until it is replayed or comes again. */
  setAside: Array<DeadLetter>;
  /** Heights at which the tables do not hold what was delivered, up to 100 ranges; looked at all the time. */
  differences: Array<DifferingRange>;
};

/** Heights at which the tables do not hold what was delivered. */
export type DifferingRange = {
  __typename?: 'DifferingRange';
  chain: Chain;
  fromHeight: Scalars['Height']['output'];
  toHeight: Scalars['Height']['output'];
  /** Blocks that are to be read there. */
  delivered: Scalars['Height']['output'];
  /** Blocks that are read there as they were delivered. */
  stored: Scalars['Height']['output'];
  /** One sentence each, up to 20. */
  differences: Array<Scalars['String']['output']>;
  /** When they were counted. */
  time: Scalars['DateTime']['output'];
};

/** An event of a chain's log that could not be stored. */
export type DeadLetter = {
  __typename?: 'DeadLetter';
  chain: Chain;
  /** Null where the event names no block. */
  height: Maybe<Scalars['Height']['output']>;
  hash: Maybe<Scalars['String']['output']>;
  code: Scalars['String']['output'];
  reason: Scalars['String']['output'];
  /** When it was set aside. */
  time: Scalars['DateTime']['output'];
  /** How often it was replayed in vain. */
  attempts: Scalars['Int']['output'];
};

export type BlockEventType =
  | 'ADDED'
  | 'REMOVED';

export type BlockEvent = {
  __typename?: 'BlockEvent';
  /** Stable: the same event has the same id after a restart. */
  id: Scalars['ID']['output'];
  type: BlockEventType;
  chain: Chain;
  height: Scalars['Height']['output'];
  hash: Scalars['String']['output'];
  time: Scalars['DateTime']['output'];
  transactionCount: Scalars['Int']['output'];
  /** The block is of the filled-in history, not of the moving tip. */
  history: Scalars['Boolean']['output'];
  /** The block, queryable now; an orphaned one for `REMOVED`. */
  block: Maybe<Block>;
};

/** What a webhook may be told of. */
export type WebhookEventKind =
  | 'BLOCK_ADDED'
  | 'BLOCK_REMOVED'
  | 'BLOCK_FINALIZED'
  | 'ADDRESS_ACTIVITY'
  | 'TRANSFER'
  | 'CONTRACT_EVENT'
  | 'REORG'
  | 'RECORD_CHANGED';

/** What is sent: what was chosen, and the two that carry nothing. */
export type WebhookEventType =
  | 'BLOCK_ADDED'
  | 'BLOCK_REMOVED'
  | 'BLOCK_FINALIZED'
  | 'ADDRESS_ACTIVITY'
  | 'TRANSFER'
  | 'CONTRACT_EVENT'
  | 'REORG'
  | 'RECORD_CHANGED'
  /** Proves an endpoint before anything else is sent to it. */
  | 'PING'
  | 'TEST';

export type WebhookWhen =
  /** At once; what is not on the chain any more is taken back. */
  | 'TIP'
  /** With so many confirmations: the block itself is the first. */
  | 'CONFIRMATIONS'
  | 'FINAL';

export type WebhookPayload =
  | 'REFERENCE'
  | 'SUMMARY'
  | 'FULL';

/** What happens when the retries of an event are used up. */
export type WebhookGiveUp =
  /** The webhook is disabled until it is resumed, which goes on with that event. */
  | 'STOP'
  /** The event is set aside and the next one is sent. */
  | 'SKIP';

export type WebhookStatus =
  /** Its endpoint has not answered the ping yet. */
  | 'UNVERIFIED'
  | 'ACTIVE'
  /** An event is being tried again. */
  | 'FAILING'
  | 'PAUSED'
  /** Retries were used up: `resumeWebhook` goes on with the event that failed. */
  | 'DISABLED';

export type WebhookOrigin =
  | 'LIVE'
  | 'REPLAY'
  | 'TEST';

export type WebhookInput = {
  /** http(s); left out for one that is only read as a stream. An address of a private network is refused unless the configuration allows it. */
  url?: InputMaybe<Scalars['String']['input']>;
  description?: Scalars['String']['input'];
  /** By their slugs. */
  chains: Array<Scalars['String']['input']>;
  events: Array<WebhookEventKind>;
  filters?: WebhookFiltersInput;
  when?: WebhookWhen;
  /** With `when: CONFIRMATIONS`. */
  confirmations?: InputMaybe<Scalars['Int']['input']>;
  payload?: WebhookPayload;
  /** Left out for now: after the newest block. */
  start?: InputMaybe<WebhookStartInput>;
  giveUp?: WebhookGiveUp;
};

export type WebhookFiltersInput = {
  /** Who takes part, or which contract speaks; up to 100,000. */
  addresses?: Array<Scalars['String']['input']>;
  /** `native`, a contract, or `contract/id`. */
  assets?: Array<Scalars['String']['input']>;
  /** Of logs, by position: any of these topics; an empty list for any. */
  topics?: Array<Array<Scalars['String']['input']>>;
  /** Least amount that moves, in base units. */
  minimumAmount?: InputMaybe<Scalars['Amount']['input']>;
};

/** With the block of a height of each chain, or with the first block of a time or later: one of the two. */
export type WebhookStartInput = {
  height?: InputMaybe<Scalars['Height']['input']>;
  time?: InputMaybe<Scalars['DateTime']['input']>;
  /** Number that the first event gets; 1 without it. */
  sequence?: InputMaybe<Scalars['Int']['input']>;
};

/** From an event's sequence, the height of its block, or its time: one of the three. */
export type WebhookReplayInput = {
  fromSequence?: InputMaybe<Scalars['Int']['input']>;
  fromHeight?: InputMaybe<Scalars['Height']['input']>;
  /** Of which chain the height is, where the webhook has several. */
  chain?: InputMaybe<Scalars['String']['input']>;
  fromTime?: InputMaybe<Scalars['DateTime']['input']>;
  /** Last sequence; the newest there is without it. */
  toSequence?: InputMaybe<Scalars['Int']['input']>;
  /** Events a second, at most; without it as fast as the endpoint takes them. */
  perSecond?: InputMaybe<Scalars['Float']['input']>;
};

export type AddedWebhook = {
  __typename?: 'AddedWebhook';
  webhook: Webhook;
  /** Signs what is sent, by Standard Webhooks. Told here and never again. */
  secret: Scalars['String']['output'];
};

/** First and last sequence that are sent again. */
export type WebhookReplay = {
  __typename?: 'WebhookReplay';
  from: Scalars['Height']['output'];
  to: Scalars['Height']['output'];
};

/** A subscription: one ordered sequence of events without a gap. */
export type Webhook = {
  __typename?: 'Webhook';
  id: Scalars['ID']['output'];
  /** Null for one that is only read as a stream. */
  url: Maybe<Scalars['String']['output']>;
  description: Scalars['String']['output'];
  chains: Array<Scalars['String']['output']>;
  events: Array<WebhookEventKind>;
  filters: WebhookFilters;
  when: WebhookWhen;
  confirmations: Maybe<Scalars['Int']['output']>;
  payload: WebhookPayload;
  start: Maybe<WebhookStart>;
  giveUp: WebhookGiveUp;
  /** Whether its URL may be of this machine or a private network; the command line alone can say so. */
  allowPrivate: Scalars['Boolean']['output'];
  status: WebhookStatus;
  createdAt: Scalars['DateTime']['output'];
  failingSince: Maybe<Scalars['DateTime']['output']>;
  /** When it is tried again. */
  nextAttemptAt: Maybe<Scalars['DateTime']['output']>;
  /** Of the newest attempt, where it failed. */
  lastError: Maybe<Scalars['String']['output']>;
  /** Newest event there is; one less than its first where there is none yet. */
  sequence: Scalars['Height']['output'];
  /** Newest event that the endpoint took. */
  delivered: Scalars['Height']['output'];
  /** How far its chains were read for it. */
  positions: Array<WebhookPosition>;
  /** Attempts, newest first; up to 100, those before a time. */
  deliveries: Array<WebhookDelivery>;
  /** Events that were set aside because their retries were used up, newest first. */
  skipped: Array<SkippedWebhookEvent>;
};


/** A subscription: one ordered sequence of events without a gap. */
export type WebhookDeliveriesArgs = {
  first?: Scalars['Int']['input'];
  before?: InputMaybe<Scalars['DateTime']['input']>;
  failed?: Scalars['Boolean']['input'];
};

export type WebhookFilters = {
  __typename?: 'WebhookFilters';
  /** How many. */
  addresses: Scalars['Int']['output'];
  assets: Array<Scalars['String']['output']>;
  topics: Array<Array<Scalars['String']['output']>>;
  minimumAmount: Maybe<Scalars['Amount']['output']>;
};

/** Where it began; a webhook without it began with what was new. */
export type WebhookStart = {
  __typename?: 'WebhookStart';
  height: Maybe<Scalars['Height']['output']>;
  time: Maybe<Scalars['DateTime']['output']>;
  sequence: Maybe<Scalars['Int']['output']>;
};

export type WebhookPosition = {
  __typename?: 'WebhookPosition';
  chain: Scalars['String']['output'];
  height: Scalars['Height']['output'];
  hash: Scalars['String']['output'];
};

/** One attempt to send one event, and what came back. Bodies are cut to a few KiB. */
export type WebhookDelivery = {
  __typename?: 'WebhookDelivery';
  webhook: Scalars['ID']['output'];
  sequence: Scalars['Height']['output'];
  /** The same at every attempt. */
  eventId: Scalars['ID']['output'];
  type: WebhookEventType;
  time: Scalars['DateTime']['output'];
  /** From 1. */
  attempt: Scalars['Int']['output'];
  origin: WebhookOrigin;
  /** Whether the endpoint took it: a status of 200 to 299. */
  ok: Scalars['Boolean']['output'];
  status: Maybe<Scalars['Int']['output']>;
  error: Maybe<Scalars['String']['output']>;
  durationMs: Scalars['Float']['output'];
  requestHeaders: Array<HttpHeader>;
  requestBody: Scalars['String']['output'];
  responseHeaders: Array<HttpHeader>;
  responseBody: Scalars['String']['output'];
};

export type HttpHeader = {
  __typename?: 'HttpHeader';
  name: Scalars['String']['output'];
  value: Scalars['String']['output'];
};

export type SkippedWebhookEvent = {
  __typename?: 'SkippedWebhookEvent';
  sequence: Scalars['Height']['output'];
  eventId: Scalars['ID']['output'];
  type: WebhookEventType;
  time: Scalars['DateTime']['output'];
  reason: Scalars['String']['output'];
};
