/**
 * The greatest weight of a row: ip_vs.h has room for 32 bits, but one above 16 bits overflows the arithmetic of wlc and its
 * like. Of the keyword `weight`, of what checks make of it, and of an operator's word.
 */
export const IPVS_WEIGHT_MAX = 65_535;
