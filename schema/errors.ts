/** What a caller can do about an error: nothing but correct the input (`false`), or try the same again (`true`). */
export interface ErrorOptions {
  /** One sentence for the operator: what to do next. */
  hint?: string
  retryable?: boolean
  cause?: unknown
  /** Machine-readable facts: heights, hashes, expected and got values. */
  details?: Record<string, unknown>
}

/** Base of every error that leaves a module: a stable code, one sentence with expected and got, and a hint. */
export class AppError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly details: Record<string, unknown>

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
  }
}

/** The operator's configuration or command line is wrong. Exit code 1. */
export class ConfigError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('CONFIG', message, options)
  }
}

/** Something of ours was called in a way its contract forbids: a bug, or a row that does not fit its column. */
export class InputError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('INPUT', message, options)
  }
}

/** An endpoint could not be reached, timed out, or answered that it is overloaded. Always retryable. */
export class EndpointError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('ENDPOINT', message, { retryable: true, ...options })
  }
}

/** The node understood the call and refused it (`code` is the JSON-RPC code), or does not know the method. */
export class RpcError extends AppError {
  readonly rpcCode: number
  constructor(message: string, rpcCode: number, options: ErrorOptions = {}) {
    super('RPC', message, options)
    this.rpcCode = rpcCode
  }
}

/** The endpoint does not have what was asked: an unknown method, an unrecorded file, a pruned block. */
export class NotAvailableError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('NOT_AVAILABLE', message, options)
  }
}

/** The node is of another chain than the one that was asked for. */
export class WrongChainError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('WRONG_CHAIN', message, options)
  }
}

/** A node's answer has not the shape that its interface promises. */
export class MalformedAnswerError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('MALFORMED_ANSWER', message, options)
  }
}

/** A block does not prove what it claims. `proof` names the check that failed (`txRoot`, `receiptsRoot`, `pow`, …). */
export class ProofError extends AppError {
  readonly proof: string
  constructor(proof: string, message: string, options: ErrorOptions = {}) {
    super('PROOF', `${proof}: ${message}`, { ...options, details: { proof, ...options.details } })
    this.proof = proof
  }
}

/** A split block breaks an invariant of the model (sums, order, counts): a bug of ours, never stored. */
export class InvariantError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('INVARIANT', message, options)
  }
}

/** The store refused a statement or could not be reached. */
export class StoreError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('STORE', message, options)
  }
}

/** Another writer owns the chain's journal; this one must stop writing. */
export class FencedError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('FENCED', message, { retryable: true, ...options })
  }
}

/** A reader of the log asks for messages that are not kept any more. */
export class LogGapError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('LOG_GAP', message, options)
  }
}

/** The message of anything thrown, with its hint where there is one. */
export function describeError(error: unknown): string {
  if (error instanceof AppError) return error.hint ? `${error.message} (${error.hint})` : error.message
  return error instanceof Error ? error.message : String(error)
}
