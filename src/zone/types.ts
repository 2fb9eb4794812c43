/** RR types that the look-up treats in a way of their own. IANA DNS parameters. */
export const TYPE_A = 1
export const TYPE_NS = 2
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_MX = 15
export const TYPE_AAAA = 28
export const TYPE_SRV = 33
export const TYPE_DNAME = 39
export const TYPE_DS = 43
export const TYPE_RRSIG = 46
export const TYPE_NSEC = 47
export const TYPE_NSEC3 = 50
export const TYPE_NSEC3PARAM = 51
export const TYPE_SVCB = 64
export const TYPE_HTTPS = 65
export const TYPE_ANY = 255

export const CLASS_IN = 1

export const RCODE_NOERROR = 0
export const RCODE_SERVFAIL = 2
export const RCODE_NXDOMAIN = 3
export const RCODE_YXDOMAIN = 6
