/**
 * rtnetlink (rtnetlink(7)), a file for each of its nouns: addresses, links, routes, rules. Every message is a structure of
 * its own and attributes; requests, dumps and notifications have one form.
 */
export * from "./rtnlAddress.ts";
export * from "./rtnlConstants.ts";
export * from "./rtnlLink.ts";
export * from "./rtnlRoute.ts";
export * from "./rtnlRouteRequest.ts";
export * from "./rtnlRule.ts";
