import { AppError, type ErrorOptions } from '../schema/errors.ts'

/** A question that cannot be answered as it was asked. */
export class BadRequestError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('BAD_REQUEST', message, options)
  }
}

/** A question that asks for more than one answer may hold. */
export class TooLargeError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('TOO_LARGE', message, options)
  }
}

/** The answer took longer than a question may. */
export class TimeLimitError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('TIME_LIMIT', message, options)
  }
}

/** What is asked for is the operator's. Tells nothing of what there is. */
export class UnauthorizedError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('UNAUTHORIZED', message, options)
  }
}
