import type { dnsCheckTable } from "../keywords/checkers/dns.ts";
import type { fileCheckTable } from "../keywords/checkers/file.ts";
import type { httpGetTable, sslGetTable } from "../keywords/checkers/http.ts";
import type { miscCheckTable } from "../keywords/checkers/misc.ts";
import type { patroniTable } from "../keywords/checkers/patroni.ts";
import type { pgsqlTable } from "../keywords/checkers/pgsql.ts";
import type { pingCheckTable } from "../keywords/checkers/ping.ts";
import type { smtpCheckTable } from "../keywords/checkers/smtp.ts";
import type { tcpCheckTable } from "../keywords/checkers/tcp.ts";
import type { udpCheckTable } from "../keywords/checkers/udp.ts";
import type { BlockValues, ParsedBlock } from "../keywords/row.ts";
import type { Endpoint, ServiceHeader } from "../keywords/serviceKinds.ts";
import type { syncGroupTable } from "../keywords/syncGroup.ts";
import type { topLevelTable } from "../keywords/topLevel.ts";
import type { realServerTable, virtualServerGroupTable, virtualServerTable } from "../keywords/virtualServer.ts";
import type { vrrpInstanceTable } from "../keywords/vrrpInstance.ts";

/** The blocks of a file as the tables type them: what rules check and what the configuration is built from. */

export type ParsedFile = BlockValues<typeof topLevelTable.rows>;
export type ParsedGlobal = ParsedFile["global_defs"][number]["values"];
export type ParsedInstance = ParsedBlock<string, typeof vrrpInstanceTable.rows>;
export type InstanceValues = ParsedInstance["values"];
export type ParsedSyncGroup = ParsedBlock<string, typeof syncGroupTable.rows>;
export type ParsedService = ParsedBlock<ServiceHeader, typeof virtualServerTable.rows>;
export type ParsedGroup = ParsedBlock<string, typeof virtualServerGroupTable.rows>;
export type ParsedServer = ParsedBlock<Endpoint, typeof realServerTable.rows>;
export type ParsedHttp = ParsedBlock<true, typeof httpGetTable.rows>;
export type ParsedSsl = ParsedBlock<true, typeof sslGetTable.rows>;
export type ParsedTcp = ParsedBlock<true, typeof tcpCheckTable.rows>;
export type ParsedPatroni = ParsedBlock<true, typeof patroniTable.rows>;
export type ParsedPgsql = ParsedBlock<true, typeof pgsqlTable.rows>;
export type ParsedSmtp = ParsedBlock<true, typeof smtpCheckTable.rows>;
export type ParsedDns = ParsedBlock<true, typeof dnsCheckTable.rows>;
export type ParsedUdp = ParsedBlock<true, typeof udpCheckTable.rows>;
export type ParsedPing = ParsedBlock<true, typeof pingCheckTable.rows>;
export type ParsedMisc = ParsedBlock<true, typeof miscCheckTable.rows>;
export type ParsedFileCheck = ParsedBlock<true, typeof fileCheckTable.rows>;
