/**
 * How much of an unread request body is read away after an early answer (design, section 3.6).
 * Closing at once would make the kernel reset the connection, and the client lose the answer.
 */

export const LINGER_BYTES = 64 * 1024
export const LINGER_MS = 1000
