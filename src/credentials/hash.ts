/**
 * Password hashes: scrypt in PHC form and bcrypt. (Contract first: the functions are being written.)
 */

/** A parsed hash; what checking costs is its profile. */
export type PasswordHash =
  | {
      readonly kind: 'scrypt'
      /** log2 of N. */
      readonly logN: number
      readonly r: number
      readonly p: number
      readonly salt: Buffer
      readonly hash: Buffer
    }
  | { readonly kind: 'bcrypt'; readonly cost: number; readonly text: string }
